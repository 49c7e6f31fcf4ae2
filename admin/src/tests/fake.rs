//! A control that gives each answer with all its fields set, or refuses everything.

use async_trait::async_trait;

use crate::control::{Actor, ClusterControl, IdentityControl, PolicyControl, UsageControl};
use crate::types::{
    AccessKey, Account, AccountDetail, AccountRequest, ApiError, BoundaryRequest, ClassHoldings, ClockConfirmation,
    ClusterMap, ClusterStatus, DegradedChunks, Done, Doubt, DoubtKind, Drive, DriveState, Durability, ExpelRequest,
    Group, GroupRequest, HolderKind, Holdings, InlinePolicyRequest, JoinToken, KeyChange, KeyRequest, KeyRotation,
    MapDrive, MapNode, MapRange, NewKey, NewUser, Node, NodeRole, Policy, PolicyDetail, PolicyHolder, PolicyRequest,
    PolicyVersion, PolicyVersionRequest, Quota, Range, RangeFacts, Repair, ReplaceRequest, Role, RoleChange,
    RoleRequest, RotateRequest, RotatedSecret, Safety, Scrub, ScrubDrive, StoragePolicy, StoragePolicyPromise,
    StoragePolicyRequest, TagsRequest, TokenDetail, TokenRequest, UnrepairedObject, UnrepairedObjects,
    UnrepairedRequest, Usage, User, UserDetail, UserRequest,
};

/// The control.
#[derive(Clone, Default)]
pub(super) struct Fake {
    /// What everything is refused with.
    pub(super) refusal: Option<ApiError>,
}

impl Fake {
    fn give<T>(&self, value: T) -> Result<T, ApiError> {
        self.refusal.clone().map_or(Ok(value), Err)
    }

    fn done(&self, what: &str) -> Result<Done, ApiError> {
        self.give(Done { message: what.to_owned() })
    }
}

#[async_trait]
impl ClusterControl for Fake {
    async fn check_health(&self) -> Result<(), ApiError> {
        self.give(())
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        self.give("couronne_up 1\n".to_owned())
    }

    async fn status(&self) -> ClusterStatus {
        status()
    }

    async fn map(&self) -> ClusterMap {
        let (address, name) = ("127.0.0.1:1".to_owned(), "n1".to_owned());
        let (region, zone) = ("r".to_owned(), "z".to_owned());
        ClusterMap {
            cluster: "0a".to_owned(),
            version: 7,
            bootstrapped: true,
            policy: "ec:4+2".to_owned(),
            nodes: vec![MapNode { id: "1".to_owned(), name, role: NodeRole::Gateway, address, region, zone }],
            drives: vec![MapDrive {
                id: "d".to_owned(),
                node: "n1".to_owned(),
                weight: 1,
                state: DriveState::Down,
                down_since_ms: Some(5),
            }],
            ranges: vec![MapRange { range: 0, replicas: vec!["d".to_owned()], voters: vec!["d".to_owned()] }],
            expelled: vec!["2".to_owned()],
        }
    }

    async fn create_token(&self, _: &Actor, request: TokenRequest) -> Result<JoinToken, ApiError> {
        let token = format!("{} {} {}", request.role.name(), request.lifetime_minutes, request.joins_max);
        self.give(JoinToken { id: "5".to_owned(), token })
    }

    async fn tokens(&self, _: &Actor) -> Result<Vec<TokenDetail>, ApiError> {
        let (id, role, joined) = ("5".to_owned(), NodeRole::Gateway, vec!["1".to_owned()]);
        self.give(vec![TokenDetail { id, role, expires_ms: 9, joins_max: 2, joined }])
    }

    async fn revoke_token(&self, _: &Actor, _token: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn expel_node(&self, _: &Actor, node: String, request: ExpelRequest) -> Result<Done, ApiError> {
        self.done(&format!("{node} {}", request.force))
    }

    async fn rotate_secret(
        &self,
        _: &Actor,
        secret: String,
        request: RotateRequest,
    ) -> Result<RotatedSecret, ApiError> {
        let message = format!("{secret} {}", request.keep_minutes);
        let (access_key, secret_key) = (Some("KEY".to_owned()), Some("SECRET".to_owned()));
        self.give(RotatedSecret { message, access_key, secret_key, waits_for: vec!["g2".to_owned()] })
    }

    async fn storage_policies(&self) -> Vec<StoragePolicy> {
        vec![StoragePolicy {
            name: "ec:4+2".to_owned(),
            id: 0,
            redundancy: "ec:4+2".to_owned(),
            default: true,
            survive_zone_loss: false,
            promise: promise(),
        }]
    }

    async fn create_storage_policy(&self, _: &Actor, request: StoragePolicyRequest) -> Result<Done, ApiError> {
        self.done(&request.name)
    }

    async fn set_default_storage_policy(&self, _: &Actor, name: String) -> Result<Done, ApiError> {
        self.done(&name)
    }

    async fn replace_drive(&self, _: &Actor, drive: String, request: ReplaceRequest) -> Result<Done, ApiError> {
        self.done(&format!("{drive} {}", request.force))
    }

    async fn start_repair(&self, _: &Actor) -> Result<Done, ApiError> {
        self.done("repair")
    }

    async fn list_unrepaired(&self, _: &Actor, request: UnrepairedRequest) -> Result<UnrepairedObjects, ApiError> {
        let text = || Some("x".to_owned());
        let object = UnrepairedObject {
            bucket: text(),
            account: text(),
            account_id: text(),
            version: text(),
            upload: text(),
            part: Some(1),
            missing: 3,
            readable: !request.unreadable,
            since_ms: Some(2),
            ..UnrepairedObject::default()
        };
        let objects = vec![object, UnrepairedObject::default()];
        self.give(UnrepairedObjects { objects, next: request.after, silent_ranges: vec![7] })
    }

    async fn start_scrub(&self, actor: &Actor) -> Result<Done, ApiError> {
        self.done(&actor.to_string())
    }

    async fn confirm_clock(&self, _: &Actor) -> Result<ClockConfirmation, ApiError> {
        self.give(ClockConfirmation { halted: None })
    }
}

#[async_trait]
impl IdentityControl for Fake {
    async fn accounts(&self) -> Result<Vec<Account>, ApiError> {
        self.give(vec![account("one"), account("two")])
    }

    async fn create_account(&self, _: &Actor, request: AccountRequest) -> Result<Account, ApiError> {
        self.give(account(&request.name))
    }

    async fn account(&self, name: String) -> Result<AccountDetail, ApiError> {
        let names = || vec!["one".to_owned()];
        self.give(AccountDetail {
            account: account(&name),
            root_keys: vec![access_key()],
            users: vec![user("ada")],
            groups: names(),
            roles: names(),
            policies: names(),
        })
    }

    async fn delete_account(&self, _: &Actor, _name: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn create_user(&self, _: &Actor, account: String, request: UserRequest) -> Result<NewUser, ApiError> {
        self.give(NewUser {
            account,
            account_id: "0".to_owned(),
            account_number: "123456789012".to_owned(),
            arn: format!("{} {}", request.admin, request.path.unwrap_or_default()),
            user: request.name,
            policies: request.policies,
            access_key: request.access_key.unwrap_or_default(),
            secret_key: request.secret_key.unwrap_or_default(),
        })
    }

    async fn user(&self, _account: String, name: String) -> Result<UserDetail, ApiError> {
        let groups = vec!["staff".to_owned()];
        self.give(UserDetail { user: user(&name), groups, access_keys: vec![access_key()] })
    }

    async fn delete_user(&self, _: &Actor, _account: String, _user: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn create_group(&self, _: &Actor, _account: String, request: GroupRequest) -> Result<Group, ApiError> {
        self.give(group(&request.name))
    }

    async fn group(&self, _account: String, name: String) -> Result<Group, ApiError> {
        self.give(group(&name))
    }

    async fn delete_group(&self, _: &Actor, _account: String, _group: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn set_member(
        &self,
        _: &Actor,
        _account: String,
        _group: String,
        _user: String,
        _is_member: bool,
    ) -> Result<(), ApiError> {
        self.give(())
    }

    async fn create_role(&self, _: &Actor, _account: String, request: RoleRequest) -> Result<Role, ApiError> {
        self.give(role(&request.name))
    }

    async fn role(&self, _account: String, name: String) -> Result<Role, ApiError> {
        self.give(role(&name))
    }

    async fn delete_role(&self, _: &Actor, _account: String, _role: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn create_key(&self, _: &Actor, account: String, request: KeyRequest) -> Result<NewKey, ApiError> {
        let (access_key, secret_key) = (request.access_key.unwrap_or_default(), request.secret_key.unwrap_or_default());
        self.give(new_key(account, access_key, secret_key))
    }

    async fn change_key(&self, _: &Actor, _account: String, _key: String, _: KeyChange) -> Result<(), ApiError> {
        self.give(())
    }

    async fn rotate_key(
        &self,
        _: &Actor,
        account: String,
        key: String,
        rotation: KeyRotation,
    ) -> Result<NewKey, ApiError> {
        self.give(new_key(account, key, rotation.keep_minutes.to_string()))
    }

    async fn delete_key(&self, _: &Actor, _account: String, _key: String) -> Result<(), ApiError> {
        self.give(())
    }
}

#[async_trait]
impl PolicyControl for Fake {
    async fn policies(&self, _account: String) -> Result<Vec<Policy>, ApiError> {
        self.give(vec![policy("one")])
    }

    async fn create_policy(&self, _: &Actor, _account: String, request: PolicyRequest) -> Result<Policy, ApiError> {
        self.give(policy(&request.name))
    }

    async fn policy(&self, _account: String, name: String) -> Result<PolicyDetail, ApiError> {
        let holder = |kind| vec![PolicyHolder { kind, name: "ada".to_owned() }];
        self.give(PolicyDetail {
            policy: policy(&name),
            document: "{}".to_owned(),
            versions: vec!["v1".to_owned()],
            attached_to: holder(HolderKind::Group),
            bounds: holder(HolderKind::Role),
        })
    }

    async fn delete_policy(&self, _: &Actor, _account: String, _policy: String) -> Result<(), ApiError> {
        self.give(())
    }

    async fn set_attached(
        &self,
        _: &Actor,
        _account: String,
        _policy: String,
        _holder: PolicyHolder,
        _is_attached: bool,
    ) -> Result<(), ApiError> {
        self.give(())
    }

    async fn create_policy_version(
        &self,
        _: &Actor,
        _account: String,
        _policy: String,
        request: PolicyVersionRequest,
    ) -> Result<PolicyVersion, ApiError> {
        self.give(policy_version("v2", request))
    }

    async fn policy_version(
        &self,
        _account: String,
        _policy: String,
        version: String,
    ) -> Result<PolicyVersion, ApiError> {
        self.give(policy_version(&version, PolicyVersionRequest { document: "{}".to_owned(), default: false }))
    }

    async fn set_default_policy_version(
        &self,
        _: &Actor,
        _account: String,
        _policy: String,
        _version: String,
    ) -> Result<(), ApiError> {
        self.give(())
    }

    async fn delete_policy_version(
        &self,
        _: &Actor,
        _account: String,
        _policy: String,
        _version: String,
    ) -> Result<(), ApiError> {
        self.give(())
    }

    async fn set_boundary(&self, _: &Actor, _account: String, _: BoundaryRequest) -> Result<(), ApiError> {
        self.give(())
    }

    async fn set_inline_policy(&self, _: &Actor, _account: String, _: InlinePolicyRequest) -> Result<(), ApiError> {
        self.give(())
    }

    async fn change_tags(&self, _: &Actor, _account: String, _: TagsRequest) -> Result<(), ApiError> {
        self.give(())
    }

    async fn change_role(&self, _: &Actor, _account: String, name: String, _: RoleChange) -> Result<Role, ApiError> {
        self.give(role(&name))
    }
}

fn policy_version(version: &str, request: PolicyVersionRequest) -> PolicyVersion {
    let PolicyVersionRequest { document, default } = request;
    PolicyVersion { version: version.to_owned(), default, document, created_ms: 9 }
}

fn access_key() -> AccessKey {
    AccessKey {
        access_key: "KEY".to_owned(),
        active: true,
        created_ms: 9,
        expires_ms: Some(11),
        used_ms: Some(10),
        session_policy: Some("{}".to_owned()),
        description: "for backups".to_owned(),
    }
}

fn new_key(account: String, access_key: String, secret_key: String) -> NewKey {
    let (account_id, account_number) = ("0".repeat(64), "123456789012".to_owned());
    NewKey { account, account_id, account_number, access_key, secret_key }
}

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        arn: format!("arn:aws:iam::123456789012:user/{name}"),
        id: "AIDA".to_owned(),
        created_ms: 9,
        policies: vec!["one".to_owned()],
        inline_policies: vec!["two".to_owned()],
        boundary: Some("three".to_owned()),
        tags: [("team".to_owned(), "blue".to_owned())].into(),
    }
}

fn group(name: &str) -> Group {
    let User { name, arn, id, created_ms, policies, inline_policies, .. } = user(name);
    Group { name, arn, id, created_ms, policies, inline_policies, users: vec!["ada".to_owned()] }
}

fn role(name: &str) -> Role {
    let User { name, arn, id, created_ms, policies, inline_policies, boundary, tags } = user(name);
    let (trust_policy, description) = ("{}".to_owned(), "for batches".to_owned());
    Role {
        name,
        arn,
        id,
        created_ms,
        trust_policy,
        session_s_max: 3600,
        description,
        policies,
        inline_policies,
        boundary,
        tags,
    }
}

fn policy(name: &str) -> Policy {
    let (arn, description) = (format!("arn:aws:iam::123456789012:policy/{name}"), "for backups".to_owned());
    Policy { name: name.to_owned(), arn, description, version: "v1".to_owned() }
}

fn account(name: &str) -> Account {
    let (number, email) = ("123456789012".to_owned(), Some("a@b".to_owned()));
    Account { name: name.to_owned(), number, id: "0".repeat(64), email, created_ms: 9 }
}

fn promise() -> StoragePolicyPromise {
    StoragePolicyPromise {
        policy: "ec:4+2".to_owned(),
        zones_not_survived: vec!["z".to_owned()],
        ..StoragePolicyPromise::default()
    }
}

fn safety() -> Safety {
    let doubt = |kind| Doubt { kind, of: vec!["n1".to_owned()], since_ms: Some(8) };
    let doubts = [
        DoubtKind::NodesSilent,
        DoubtKind::NodesBehind,
        DoubtKind::DrivesAway,
        DoubtKind::RangesSilent,
        DoubtKind::GroupsNotWhole,
        DoubtKind::RangesUnswept,
        DoubtKind::Unrepaired,
        DoubtKind::RowsUnresolved,
        DoubtKind::ShardsUnscrubbed,
        DoubtKind::ShardsNotLookedFor,
        DoubtKind::StoresUnscrubbed,
    ];
    Safety {
        swept_version: Some(1),
        repair_rows: Some(2),
        shards_scrubbed_ms: Some(3),
        shards_looked_for_ms: Some(4),
        stores_scrubbed_ms: Some(5),
        doubts: doubts
            .into_iter()
            .map(doubt)
            .chain([Doubt { since_ms: None, ..doubt(DoubtKind::Unrepaired) }])
            .collect(),
        ..Safety::default()
    }
}

fn status() -> ClusterStatus {
    let node = Node {
        version: Some("0.1.0".to_owned()),
        down_since_ms: Some(1),
        report_age_ms: Some(2),
        clock_offset_ms: Some(-3),
        expelled_ms: Some(4),
        ..Node::default()
    };
    let states = [
        DriveState::Writable,
        DriveState::Full,
        DriveState::Stopping,
        DriveState::Refilling,
        DriveState::Down,
        DriveState::Lost,
    ];
    let drive = |state| Drive {
        state,
        folder: Some("/data".to_owned()),
        down_reason: Some("gone".to_owned()),
        down_since_ms: Some(4),
        loss_ms: Some(5),
        scrubbed_ms: Some(6),
        unscrubbed_since_ms: Some(7),
        ..Drive::default()
    };
    let text = || "d".to_owned();
    ClusterStatus {
        durability: Durability { survives: -1, leaderless: vec![3], safety: safety(), ..Durability::default() },
        promise: promise(),
        nodes: vec![node.clone(), Node::default()],
        gateways: vec![Node { role: NodeRole::Gateway, ..node }],
        drives: states.into_iter().map(drive).chain([Drive::default()]).collect(),
        ranges: vec![Range {
            range: 1,
            replicas: vec![text()],
            voters: vec![text()],
            wanted: 5,
            serving: vec![text()],
            leader: Some(text()),
            settled: true,
            facts: Some(RangeFacts {
                looked_ms: Some(5),
                stores_scrubbed_ms: Some(6),
                stores_unresolved_ms: Some(7),
                ..RangeFacts::default()
            }),
            silent_since_ms: Some(7),
        }],
        halted: Some("the clock leapt".to_owned()),
        background: [("flushes".to_owned(), 4)].into(),
        repair: Repair {
            remaining_s: Some(1),
            survives: Some(-1),
            degraded: vec![DegradedChunks { survives: -1, blobs: 1, chunks: 2 }],
            ..Repair::default()
        },
        scrub: Scrub {
            ended_ms: Some(1),
            drives: vec![ScrubDrive { drive: text(), node: text(), read_bytes: 1, total_bytes: 2 }],
            total_chunks: Some(2),
            remaining_s: Some(3),
            ..Scrub::default()
        },
        ..ClusterStatus::default()
    }
}

#[async_trait]
impl UsageControl for Fake {
    async fn account_usage(&self, _account: String) -> Result<Usage, ApiError> {
        self.give(usage(None))
    }

    async fn user_usage(&self, _account: String, _user: String) -> Result<Usage, ApiError> {
        self.give(usage(None))
    }

    async fn bucket_usage(&self, _bucket: String) -> Result<Usage, ApiError> {
        self.give(usage(Some(Quota { bytes: Some(9), objects: Some(8) })))
    }

    async fn set_bucket_quota(&self, _: &Actor, _bucket: String, _: Quota) -> Result<(), ApiError> {
        self.give(())
    }

    async fn remove_bucket_quota(&self, _: &Actor, _bucket: String) -> Result<(), ApiError> {
        self.give(())
    }
}

fn usage(quota: Option<Quota>) -> Usage {
    let held = Holdings { objects: 1, noncurrent_versions: 2, delete_markers: 3, bytes: 4, parts: 5, part_bytes: 6 };
    let classes = vec![ClassHoldings { class: "STANDARD".to_owned(), held }];
    Usage { total: held, classes, quota, asked_ms: 7 }
}
