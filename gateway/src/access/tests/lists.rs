//! ACLs, object ownership and public access blocks in the decision, and what has to be read for it.

use super::*;
use crate::access::acl::{AclOf, CannedAcl, Grant, Grantee, Permission};
use crate::access::policy::{Policy, PolicyKind};

fn canned(name: &str, of: AclOf, owner: &'static str) -> AccessControlList {
    CannedAcl::parse(name).unwrap().grants(of, account(owner).canonical, account(A).canonical)
}

fn open(principal: Principal<'static>, action: &str) -> AccessCase {
    AccessCase { ownership: ObjectOwnership::ObjectWriter, ..AccessCase::new(principal, action) }
}

fn with_acl(owner: &'static str, acl: &str) -> TestObject {
    let acl = Some(canned(acl, AclOf::Object, owner));
    TestObject::Read { owner: account(owner).canonical.to_owned(), tags: Vec::new(), acl }
}

#[test]
fn lists_grant_by_awss_table() {
    let grants = |permission, of| {
        let grant = Grant { grantee: Grantee::Account(account(B).canonical.into()), permission };
        let list = AccessControlList { owner: account(A).canonical.into(), grants: vec![grant] };
        let actions = [
            "ListBucket",
            "ListBucketVersions",
            "ListBucketMultipartUploads",
            "PutObject",
            "DeleteObject",
            "DeleteObjectVersion",
            "GetBucketAcl",
            "PutBucketAcl",
            "GetObject",
            "GetObjectVersion",
            "GetObjectAcl",
            "GetObjectVersionAcl",
            "PutObjectAcl",
            "PutObjectVersionAcl",
            "GetObjectTagging",
            "GetBucketPolicy",
        ];
        let allowed = actions.iter().filter(|action| {
            let mut ask = open(root(B), &format!("s3:{action}"));
            ask.object = TestObject::of(A);
            match (of, &mut ask.object) {
                (AclOf::Object, TestObject::Read { acl, .. }) => *acl = Some(list.clone()),
                _ => ask.acl = Some(list.clone()),
            }
            ask.allows()
        });
        allowed.copied().collect::<Vec<_>>()
    };
    let (bucket, object) = (AclOf::Bucket, AclOf::Object);
    assert_eq!(grants(Permission::Read, bucket), ["ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"]);
    assert_eq!(grants(Permission::Write, bucket), ["PutObject"]);
    assert_eq!(grants(Permission::ReadAcp, bucket), ["GetBucketAcl"]);
    assert_eq!(grants(Permission::WriteAcp, bucket), ["PutBucketAcl"]);
    assert_eq!(grants(Permission::FullControl, bucket).len(), 6);
    assert_eq!(grants(Permission::Read, object), ["GetObject", "GetObjectVersion"]);
    assert_eq!(grants(Permission::Write, object), [""; 0]);
    assert_eq!(grants(Permission::ReadAcp, object), ["GetObjectAcl", "GetObjectVersionAcl"]);
    assert_eq!(grants(Permission::WriteAcp, object), ["PutObjectAcl", "PutObjectVersionAcl"]);
    assert_eq!(grants(Permission::FullControl, object).len(), 6);
}

#[test]
fn public_lists_serve_everybody_until_they_are_ignored() {
    let read = |principal, acl: &str| open(principal, "s3:GetObject").object(with_acl(A, acl));
    assert!(read(Principal::Anonymous, "public-read").allows() && !read(Principal::Anonymous, "private").allows());
    assert!(read(root(B), "authenticated-read").allows());
    assert!(!read(Principal::Anonymous, "authenticated-read").allows());
    assert!(!read(user(B, "bob"), "public-read").allows(), "a user's own account has to allow it, too");
    assert!(read(user(B, "bob"), "public-read").identity(&allow_all()).allows());
    let ignored = AccessCase {
        block: PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() },
        ..read(Principal::Anonymous, "public-read")
    };
    assert!(!ignored.allows());
    let enforced =
        AccessCase { ownership: ObjectOwnership::BucketOwnerEnforced, ..read(Principal::Anonymous, "public-read") };
    assert!(!enforced.allows(), "lists do not count");
    let denied = read(Principal::Anonymous, "public-read").policy(&deny_to("\"*\""));
    assert!(!denied.allows());
}

#[test]
fn an_object_of_another_is_its_writers() {
    let of_b = |principal, action: &str| open(principal, action).object(with_acl(B, "private"));
    assert!(of_b(root(B), "s3:GetObject").allows());
    assert!(!of_b(root(A), "s3:GetObject").allows(), "the bucket's owner does not reach it");
    assert!(!of_b(user(A, "bob"), "s3:GetObject").identity(&allow_all()).policy(&allow_to("\"*\"")).allows());
    assert!(!of_b(root(C), "s3:GetObject").policy(&allow_to("\"*\"")).allows(), "nor does the bucket's policy");
    assert!(!of_b(root(B), "s3:GetObject").policy(&deny_to("\"*\"")).allows(), "but it can deny");
    assert!(of_b(user(B, "bob"), "s3:GetObject").identity(&allow_all()).allows());
    assert!(!of_b(user(B, "bob"), "s3:GetObject").allows());
    assert!(of_b(root(A), "s3:DeleteObject").allows() && of_b(root(A), "s3:DeleteObjectVersion").allows());
    assert!(!of_b(root(B), "s3:DeleteObject").allows(), "the place in the bucket is the bucket owner's");
    let may_write = Some(canned("public-read-write", AclOf::Bucket, A));
    assert!(
        AccessCase { acl: may_write.clone(), ..of_b(root(B), "s3:DeleteObject") }.allows(),
        "with leave to write it may"
    );
    assert!(!AccessCase { acl: may_write, ..of_b(root(C), "s3:DeleteObject") }.allows());
    let given = open(root(A), "s3:GetObject").object(with_acl(B, "bucket-owner-full-control"));
    assert!(given.allows());
    assert!(
        !AccessCase { ownership: ObjectOwnership::ObjectWriter, ..given.clone() }
            .object(with_acl(B, "private"))
            .allows()
    );
    let enforced = AccessCase { ownership: ObjectOwnership::BucketOwnerEnforced, ..of_b(root(A), "s3:GetObject") };
    assert!(enforced.allows());
}

#[test]
fn restricted_public_buckets_serve_their_account_and_services() {
    let statements = [
        r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
        r#"{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#,
    ];
    let document =
        |statements: &[&str]| format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    let restrict = PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::default() };
    let ask = |principal, policy: &str, block| AccessCase {
        block,
        ..AccessCase::new(principal, "s3:GetObject").policy(policy)
    };
    let (public, to_some) = (document(&statements), document(&statements[..2]));
    let logs = service("logging.s3.amazonaws.com", "arn:aws:s3:::source");
    assert!(ask(root(B), &public, PublicAccessBlock::default()).allows());
    assert!(!ask(root(B), &public, restrict).allows() && !ask(Principal::Anonymous, &public, restrict).allows());
    assert!(ask(logs, &public, restrict).allows() && ask(user(A, "bob"), &public, restrict).allows());
    assert!(ask(root(B), &to_some, restrict).allows(), "not public without the third statement");
}

#[test]
fn public_is_what_aws_says() {
    let is_public = |elements: &str| {
        let policy = policy("Allow", &format!(r#""Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",{elements}"#));
        Policy::parse(&policy, PolicyKind::Bucket("b")).unwrap().is_public()
    };
    let to_all = |condition: &str| is_public(&format!(r#""Principal":"*","Condition":{{{condition}}}"#));
    assert!(is_public(r#""Principal":"*""#) && is_public(r#""Principal":{"AWS":["111122223333","*"]}"#));
    assert!(is_public(r#""Principal":{"Federated":"graph.facebook.com"}"#));
    assert!(!is_public(r#""Principal":{"AWS":"111122223333"}"#));
    assert!(!is_public(r#""Principal":{"Service":"logging.s3.amazonaws.com"}"#));
    assert!(to_all(r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#));
    assert!(!to_all(r#""StringEquals":{"aws:SourceVpc":"vpc-91237329"}"#));
    assert!(!to_all(r#""StringLike":{"aws:SourceVpc":"vpc-91237329"}"#));
    assert!(to_all(r#""StringEqualsIfExists":{"aws:SourceVpc":"vpc-91237329"}"#));
    assert!(to_all(r#""ForAllValues:StringEquals":{"aws:SourceVpc":"vpc-91237329"}"#));
    assert!(to_all(r#""StringNotEquals":{"aws:SourceVpc":"vpc-91237329"}"#));
    assert!(to_all(r#""StringEquals":{"aws:PrincipalAccount":"${aws:SourceAccount}"}"#));
    assert!(to_all(r#""StringEquals":{"aws:Referer":"fixed"}"#));
    assert!(!to_all(r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]}"#));
    assert!(to_all(r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/1"]}"#));
    assert!(to_all(r#""IpAddress":{"aws:SourceIp":"2001:db8::/31"}"#));
    assert!(to_all(r#""NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}"#));
    let access_point = |account: &str| {
        to_all(&format!(r#""ArnLike":{{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:{account}:accesspoint/*"}}"#))
    };
    assert!(!access_point("123456789012") && access_point("*"));
    let denied = policy("Deny", r#""Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*""#);
    assert!(!Policy::parse(&denied, PolicyKind::Bucket("b")).unwrap().is_public(), "a denial grants nothing");
}

#[test]
fn an_object_is_read_only_if_that_can_matter() {
    let tagged = policy(
        "Allow",
        r#""Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/public":"yes"}}"#,
    );
    let unread = |principal, action: &str| AccessCase::new(principal, action).object(TestObject::Unread);
    let needs = |ask: &AccessCase| {
        ask.answer(|decision| match decision {
            Decision::Read(needs) => Some((needs.tags, needs.acl)),
            _ => None,
        })
    };
    assert_eq!(needs(&unread(Principal::Anonymous, "s3:GetObject").policy(&tagged)), Some((true, false)));
    assert_eq!(needs(&unread(Principal::Anonymous, "s3:PutObject").policy(&tagged)), None, "another action");
    assert_eq!(needs(&unread(Principal::Anonymous, "s3:GetObject").policy(&tagged).on("c", Some("k"))), None);
    let of_user = unread(user(A, "bob"), "s3:GetObject").identity(&allow_all()).policy(&deny_to("\"*\""));
    assert_eq!(needs(&of_user), None, "denied whatever the object has");
    let open = |action: &str| AccessCase { ownership: ObjectOwnership::ObjectWriter, ..unread(root(A), action) };
    assert_eq!(needs(&open("s3:GetObject")), Some((false, true)));
    assert_eq!(needs(&open("s3:PutObject")), None);
    assert_eq!(needs(&open("s3:ListBucket").on("b", None)), None);
    let read = |value| {
        AccessCase::new(Principal::Anonymous, "s3:GetObject")
            .policy(&tagged)
            .object(TestObject::tagged("public", value))
    };
    assert!(read("yes").allows() && !read("no").allows());
    let of_key = AccessCase::new(Principal::Anonymous, "s3:GetObject")
        .policy(&tagged)
        .object(TestObject::tagged("Public", "yes"));
    assert!(!of_key.allows(), "the keys of objects' tags have a case");
}
