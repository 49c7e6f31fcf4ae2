"""boto3 through what administrators do with IAM and STS: users, keys, policies, roles, sessions, pages."""
import json
import os
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CONFIG = Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"})
# Of an account's root, given by the test.
KEYS = {"aws_access_key_id": os.environ["ACCOUNT_ACCESS_KEY"], "aws_secret_access_key": os.environ["ACCOUNT_SECRET_KEY"]}
# A revocation is known everywhere within five seconds.
BOUND_S = 5


def clients(**keys):
    return [boto3.client(service, config=CONFIG, **keys) for service in ("iam", "sts", "s3")]


def of_session(answer):
    found = answer["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def of_key(answer):
    found = answer["AccessKey"]
    return {"aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"]}


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} instead of {code}: {error}"
        return error.response["Error"]["Message"]
    raise AssertionError(f"{code} expected")


def refused_within_the_bound(codes, call, **arguments):
    began = time.monotonic()
    while True:
        try:
            call(**arguments)
        except ClientError as error:
            assert error.response["Error"]["Code"] in codes, error
            return
        assert time.monotonic() - began < 2 * BOUND_S, "it still works"
        time.sleep(0.1)


def allow(action, resource="*", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]})


def trust(principal, **more):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


iam, sts, s3 = clients(**KEYS)
number = sts.get_caller_identity()["Account"]
assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{number}:root"
assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{number}:root"

# Users, their tags, pages of them.
ada = iam.create_user(UserName="ada", Path="/staff/", Tags=[{"Key": "team", "Value": "<blue> & co"}])["User"]
assert ada["Arn"] == f"arn:aws:iam::{number}:user/staff/ada" and ada["UserId"].startswith("AIDA")
assert iam.get_user(UserName="ada")["User"]["Tags"] == [{"Key": "team", "Value": "<blue> & co"}]
assert "with name ada already exists" in refused("EntityAlreadyExists", iam.create_user, UserName="Ada".lower())
assert "nobody cannot be found" in refused("NoSuchEntity", iam.get_user, UserName="nobody")
refused("ValidationError", iam.create_user, UserName="a/b")
for at in range(7):
    iam.create_user(UserName=f"page-{at}")
pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
assert len(pages) == 3 and [page["IsTruncated"] for page in pages] == [True, True, False]
assert sorted(user["UserName"] for page in pages for user in page["Users"]) == ["ada"] + [f"page-{at}" for at in range(7)]
assert [user["UserName"] for user in iam.list_users(PathPrefix="/staff/")["Users"]] == ["ada"]
for at in range(7):
    iam.delete_user(UserName=f"page-{at}")
iam.tag_user(UserName="ada", Tags=[{"Key": "floor", "Value": ""}])
assert [tag["Key"] for tag in iam.list_user_tags(UserName="ada")["Tags"]] == ["floor", "team"]
iam.untag_user(UserName="ada", TagKeys=["floor"])
iam.update_user(UserName="ada", NewUserName="eve")
iam.update_user(UserName="eve", NewUserName="ada")

# Keys: what a user may do hangs on policies alone.
key = iam.create_access_key(UserName="ada")
ada_iam, ada_sts, ada_s3 = clients(**of_key(key))
assert ada_sts.get_caller_identity()["Arn"] == ada["Arn"] and ada_sts.get_caller_identity()["UserId"] == ada["UserId"]
denied = refused("AccessDenied", ada_iam.get_user)
assert denied == f"User: {ada['Arn']} is not authorized to perform: iam:GetUser on resource: arn:aws:iam::{number}:user/ada", denied
assert "user/nobody" in refused("AccessDenied", ada_iam.get_user, UserName="nobody")
iam.put_user_policy(UserName="ada", PolicyName="self", PolicyDocument=allow("iam:GetUser", f"arn:aws:iam::{number}:user/staff/${{aws:username}}"))
for _ in range(60):
    try:
        assert ada_iam.get_user()["User"]["UserName"] == "ada"
        break
    except ClientError:
        time.sleep(0.1)
else:
    raise AssertionError("a policy does not count")
refused("AccessDenied", ada_iam.get_user, UserName="nobody")
assert iam.get_user_policy(UserName="ada", PolicyName="self")["PolicyDocument"]["Statement"][0]["Action"] == "iam:GetUser"
assert iam.list_user_policies(UserName="ada")["PolicyNames"] == ["self"]
refused("MalformedPolicyDocument", iam.put_user_policy, UserName="ada", PolicyName="bad", PolicyDocument="{}")
assert [one["Status"] for one in iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]] == ["Active"]
used = iam.get_access_key_last_used(AccessKeyId=key["AccessKey"]["AccessKeyId"])
assert used["UserName"] == "ada" and used["AccessKeyLastUsed"]["Region"]
refused("DeleteConflict", iam.delete_user, UserName="ada")
iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKey"]["AccessKeyId"], Status="Inactive")
refused_within_the_bound(["InvalidClientTokenId"], ada_sts.get_caller_identity)
iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKey"]["AccessKeyId"], Status="Active")
time.sleep(1.1)

# Groups.
iam.create_group(GroupName="staff")
iam.add_user_to_group(GroupName="staff", UserName="ada")
assert [user["UserName"] for user in iam.get_group(GroupName="staff")["Users"]] == ["ada"]
assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="ada")["Groups"]] == ["staff"]
refused("DeleteConflict", iam.delete_group, GroupName="staff")
refused("NoSuchEntity", iam.remove_user_from_group, GroupName="nobody", UserName="ada")

# Managed policies and their versions.
policy = iam.create_policy(PolicyName="readers", PolicyDocument=allow("s3:GetObject"), Description="for the test")["Policy"]
assert policy["Arn"] == f"arn:aws:iam::{number}:policy/readers" and policy["DefaultVersionId"] == "v1"
assert iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=allow("s3:*"), SetAsDefault=True)["PolicyVersion"]["VersionId"] == "v2"
assert [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]] == ["v2", "v1"]
assert iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]["Action"] == "s3:GetObject"
refused("DeleteConflict", iam.delete_policy_version, PolicyArn=policy["Arn"], VersionId="v2")
iam.set_default_policy_version(PolicyArn=policy["Arn"], VersionId="v1")
iam.delete_policy_version(PolicyArn=policy["Arn"], VersionId="v2")
iam.attach_group_policy(GroupName="staff", PolicyArn=policy["Arn"])
assert iam.list_attached_group_policies(GroupName="staff")["AttachedPolicies"] == [{"PolicyName": "readers", "PolicyArn": policy["Arn"]}]
assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 1
assert [group["GroupName"] for group in iam.list_entities_for_policy(PolicyArn=policy["Arn"])["PolicyGroups"]] == ["staff"]
refused("DeleteConflict", iam.delete_policy, PolicyArn=policy["Arn"])
names = [one["PolicyName"] for page in iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 2}) for one in page["Policies"]]
assert names[0] == "readers" and "AdministratorAccess" in names and len(names) == len(set(names)) == 8, names
assert [one["PolicyName"] for one in iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]] == ["readers"]
assert iam.get_account_summary()["SummaryMap"]["Users"] == 1
assert iam.list_account_aliases()["AccountAliases"] == []

# Boundaries.
boundary = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
iam.put_user_permissions_boundary(UserName="ada", PermissionsBoundary=boundary)
assert iam.get_user(UserName="ada")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
iam.delete_user_permissions_boundary(UserName="ada")

# Roles, and sessions of them.
role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument=trust(ada["Arn"], Condition={"StringEquals": {"sts:ExternalId": "xyz"}}), MaxSessionDuration=7200)["Role"]
assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": ada["Arn"]}
assert "UsersQuota" in iam.get_account_summary()["SummaryMap"]
iam.update_role(RoleName="batch", Description="for batches")
assert iam.get_role(RoleName="batch")["Role"]["Description"] == "for batches"
iam.put_role_policy(RoleName="batch", PolicyName="all", PolicyDocument=allow("s3:*"))
assume = {"RoleArn": role["Arn"], "RoleSessionName": "run-1", "ExternalId": "xyz"}
refused("AccessDenied", ada_sts.assume_role, RoleArn=role["Arn"], RoleSessionName="run-1")
refused("AccessDenied", ada_sts.assume_role, RoleArn=role["Arn"].replace("batch", "nothing"), RoleSessionName="run-1")
refused("AccessDenied", sts.assume_role, **assume)
refused("ValidationError", ada_sts.assume_role, DurationSeconds=7201, **assume)
assumed = ada_sts.assume_role(DurationSeconds=7200, Tags=[{"Key": "job", "Value": "7"}], SourceIdentity="ada", **assume)
assert assumed["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{number}:assumed-role/batch/run-1"
assert assumed["Credentials"]["AccessKeyId"].startswith("ASIA") and assumed["PackedPolicySize"] >= 1
run_iam, run_sts, run_s3 = clients(**of_session(assumed))
assert run_sts.get_caller_identity()["Arn"] == assumed["AssumedRoleUser"]["Arn"]
assert run_sts.get_caller_identity()["UserId"] == f"{role['RoleId']}:run-1"
run_s3.create_bucket(Bucket="sessions")
run_s3.put_object(Bucket="sessions", Key="a", Body=b"by a session")
assert run_s3.get_object(Bucket="sessions", Key="a")["Body"].read() == b"by a session"
refused("AccessDenied", run_iam.list_users)
refused("AccessDenied", run_sts.get_session_token)
narrow = ada_sts.assume_role(Policy=allow("s3:GetObject"), **assume)
_, _, narrow_s3 = clients(**of_session(narrow))
assert narrow_s3.get_object(Bucket="sessions", Key="a")["Body"].read() == b"by a session"
refused("AccessDenied", narrow_s3.put_object, Bucket="sessions", Key="b", Body=b"no")
refused("PackedPolicyTooLarge", ada_sts.assume_role, Tags=[{"Key": f"{at:03}", "Value": "x" * 256} for at in range(20)], **assume)

# A token is good with its own key and secret alone.
wrong = dict(of_session(assumed), aws_session_token=of_session(narrow)["aws_session_token"])
_, wrong_sts, wrong_s3 = clients(**wrong)
refused("InvalidClientTokenId", wrong_sts.get_caller_identity)
refused("InvalidToken", wrong_s3.list_objects_v2, Bucket="sessions")

# Revoking sessions that are older than now, as AWS's console does.
revoke = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:TokenIssueTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))}}}]}
iam.put_role_policy(RoleName="batch", PolicyName="revoke", PolicyDocument=json.dumps(revoke))
refused_within_the_bound(["AccessDenied"], run_s3.get_object, Bucket="sessions", Key="a")
time.sleep(1.5)
_, _, again_s3 = clients(**of_session(ada_sts.assume_role(**assume)))
assert again_s3.get_object(Bucket="sessions", Key="a")["Body"].read() == b"by a session"

# Sessions of the user itself, and of others that it vouches for.
iam.put_user_policy(UserName="ada", PolicyName="files", PolicyDocument=allow(["s3:*", "sts:GetFederationToken"]))
time.sleep(1.1)
own_iam, own_sts, own_s3 = clients(**of_session(ada_sts.get_session_token(DurationSeconds=900)))
assert own_sts.get_caller_identity()["Arn"] == ada["Arn"]
assert own_s3.get_object(Bucket="sessions", Key="a")["Body"].read() == b"by a session"
refused("InvalidClientTokenId", own_iam.get_user)
refused("AccessDenied", own_sts.get_session_token)
own_sts.assume_role(**assume)
federated = ada_sts.get_federation_token(Name="guest", Policy=allow("s3:GetObject"))
guest_iam, guest_sts, guest_s3 = clients(**of_session(federated))
assert federated["FederatedUser"]["Arn"] == guest_sts.get_caller_identity()["Arn"] == f"arn:aws:sts::{number}:federated-user/guest"
assert guest_s3.get_object(Bucket="sessions", Key="a")["Body"].read() == b"by a session"
refused("AccessDenied", guest_s3.put_object, Bucket="sessions", Key="b", Body=b"no")
refused("AccessDenied", guest_sts.assume_role, **assume)
refused("InvalidClientTokenId", guest_iam.get_user)
_, _, nothing_s3 = clients(**of_session(ada_sts.get_federation_token(Name="nothing")))
refused("AccessDenied", nothing_s3.get_object, Bucket="sessions", Key="a")
refused("InvalidIdentityToken", sts.assume_role_with_web_identity, RoleArn=role["Arn"], RoleSessionName="web", WebIdentityToken="x.y.z.0")

# A session ends with the key that made it.
iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKey"]["AccessKeyId"])
for ended in (own_s3, guest_s3, again_s3):
    refused_within_the_bound(["InvalidAccessKeyId"], ended.get_object, Bucket="sessions", Key="a")
refused_within_the_bound(["InvalidClientTokenId"], own_sts.get_caller_identity)

# Providers.
provider = iam.create_open_id_connect_provider(Url="https://id.example.com/realms/a", ClientIDList=["app"], ThumbprintList=["0" * 40])["OpenIDConnectProviderArn"]
assert provider == f"arn:aws:iam::{number}:oidc-provider/id.example.com/realms/a"
iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="other")
iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=provider, ThumbprintList=["1" * 40])
found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
assert (found["ClientIDList"], found["ThumbprintList"]) == (["app", "other"], ["1" * 40])
assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": provider}]
iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
refused("NoSuchEntity", iam.get_open_id_connect_provider, OpenIDConnectProviderArn=provider)

# All of it away again.
iam.detach_group_policy(GroupName="staff", PolicyArn=policy["Arn"])
iam.remove_user_from_group(GroupName="staff", UserName="ada")
iam.delete_group(GroupName="staff")
iam.delete_policy(PolicyArn=policy["Arn"])
for name in iam.list_role_policies(RoleName="batch")["PolicyNames"]:
    iam.delete_role_policy(RoleName="batch", PolicyName=name)
assert iam.list_instance_profiles_for_role(RoleName="batch")["InstanceProfiles"] == []
iam.delete_role(RoleName="batch")
for name in iam.list_user_policies(UserName="ada")["PolicyNames"]:
    iam.delete_user_policy(UserName="ada", PolicyName=name)
iam.delete_user(UserName="ada")
refused("NotImplemented", iam.get_account_authorization_details)
print("done")
