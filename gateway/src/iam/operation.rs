//! The one table of the operations of IAM and STS: of each its name, what it is on, and the function that does it.
//!
//! The IAM action is the operation's name behind its service's. From the table follow [`Operation`], the routes, and the tables
//! in `docs/iam.md`.
//! Must not know: signatures, what an operation does.

use super::api::Service;
use super::auth;
use super::call::{Call, Done};
use super::error::{Code, QueryError};
use super::ops;
use super::service::QueryRequest;
use super::target::On;
use crate::aws::xml::Writer;

/// Declares the operations, so that no list can forget one.
macro_rules! operations {
    ($($service:ident $prefix:literal { $($name:ident($on:ident, $($path:ident)::+);)* } not_served { $($lacking:ident: $why:ident;)* })*) => {
        /// An operation that is served. The names are AWS's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[doc = concat!("`", $prefix, stringify!($name), "`")] $name,)*)*
        }

        impl Operation {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// Operations that AWS has and that are not served: of which service, its name, and why.
            pub const NOT_SERVED: &'static [(Service, &'static str, &'static str)] =
                &[$($((Service::$service, stringify!($lacking), $why),)*)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* }
            }

            /// Its service.
            pub const fn service(self) -> Service {
                match self { $($(Self::$name => Service::$service,)*)* }
            }

            /// Its IAM action.
            pub const fn action(self) -> &'static str {
                match self { $($(Self::$name => concat!($prefix, stringify!($name)),)*)* }
            }

            /// On what it is.
            pub const fn on(self) -> On {
                match self { $($(Self::$name => On::$on,)*)* }
            }

            /// Carries it out, and writes its result.
            pub(super) async fn run(self, call: &Call<'_>, xml: &mut Writer) -> Done {
                match self { $($(Self::$name => ops::$($path)::+(call, xml).await,)*)* }
            }
        }
    };
}

impl Operation {
    /// Whether it changes something, or makes a credential.
    pub fn changes(self) -> bool {
        match self.service() {
            Service::Iam => !(self.name().starts_with("Get") || self.name().starts_with("List")),
            Service::Sts => self != Self::GetCallerIdentity,
        }
    }

    /// The operation that a request means.
    pub(super) fn of(request: &QueryRequest) -> Result<Self, QueryError> {
        let service = auth::service(request);
        let Some(name) = request.form.get("Action") else {
            return Err(
                QueryError::new(Code::MissingAction, "The request must contain the parameter Action").of(service)
            );
        };
        let version = request.form.get("Version").unwrap_or_else(|| service.version());
        let found = Self::ALL.iter().find(|operation| operation.service() == service && operation.name() == name);
        if let Some(operation) = found.filter(|_| version == service.version()) {
            return Ok(*operation);
        }
        let lacking = Self::NOT_SERVED.iter().find(|(of, lacking, _)| *of == service && *lacking == name);
        let error = match lacking {
            Some((_, name, why)) => QueryError::new(Code::NotImplemented, format!("{name} is not served: {why}.")),
            None => {
                QueryError::new(Code::InvalidAction, format!("Could not find operation {name} for version {version}"))
            }
        };
        Err(error.of(service))
    }
}

const ALIASES: &str = "accounts have no aliases";
const CERTIFICATES: &str = "there are no certificates of users";
const MFA: &str = "there is no second factor";
const PASSWORDS: &str = "nobody logs in with a password";
const REPORTS: &str = "there are no reports on what was used";
const SAML: &str = "there are no SAML providers";
const SERVICES: &str = "no other service takes a role";
const SIMULATION: &str = "policies are not simulated";

operations! {
    Iam "iam:" {
        CreateUser(NewUser, users::create);
        GetUser(User, users::get);
        ListUsers(Users, users::list);
        UpdateUser(User, users::update);
        DeleteUser(User, users::delete);
        TagUser(User, tags::tag_user);
        UntagUser(User, tags::untag_user);
        ListUserTags(User, tags::list_of_user);
        CreateGroup(NewGroup, groups::create);
        GetGroup(Group, groups::get);
        ListGroups(Groups, groups::list);
        UpdateGroup(Group, groups::update);
        DeleteGroup(Group, groups::delete);
        AddUserToGroup(Group, groups::add_user);
        RemoveUserFromGroup(Group, groups::remove_user);
        ListGroupsForUser(User, groups::list_for_user);
        CreateAccessKey(User, keys::create);
        ListAccessKeys(User, keys::list);
        UpdateAccessKey(User, keys::update);
        DeleteAccessKey(User, keys::delete);
        GetAccessKeyLastUsed(Key, keys::last_used);
        CreatePolicy(NewPolicy, policies::create);
        GetPolicy(Policy, policies::get);
        ListPolicies(Policies, policies::list);
        DeletePolicy(Policy, policies::delete);
        TagPolicy(Policy, tags::tag_policy);
        UntagPolicy(Policy, tags::untag_policy);
        ListPolicyTags(Policy, tags::list_of_policy);
        ListEntitiesForPolicy(Policy, policies::list_entities);
        CreatePolicyVersion(Policy, versions::create);
        GetPolicyVersion(Policy, versions::get);
        ListPolicyVersions(Policy, versions::list);
        SetDefaultPolicyVersion(Policy, versions::set_default);
        DeletePolicyVersion(Policy, versions::delete);
        AttachUserPolicy(User, attached::attach_to_user);
        DetachUserPolicy(User, attached::detach_from_user);
        ListAttachedUserPolicies(User, attached::list_of_user);
        AttachGroupPolicy(Group, attached::attach_to_group);
        DetachGroupPolicy(Group, attached::detach_from_group);
        ListAttachedGroupPolicies(Group, attached::list_of_group);
        AttachRolePolicy(Role, attached::attach_to_role);
        DetachRolePolicy(Role, attached::detach_from_role);
        ListAttachedRolePolicies(Role, attached::list_of_role);
        PutUserPolicy(User, inline::put_in_user);
        GetUserPolicy(User, inline::get_of_user);
        ListUserPolicies(User, inline::list_of_user);
        DeleteUserPolicy(User, inline::delete_from_user);
        PutGroupPolicy(Group, inline::put_in_group);
        GetGroupPolicy(Group, inline::get_of_group);
        ListGroupPolicies(Group, inline::list_of_group);
        DeleteGroupPolicy(Group, inline::delete_from_group);
        PutRolePolicy(Role, inline::put_in_role);
        GetRolePolicy(Role, inline::get_of_role);
        ListRolePolicies(Role, inline::list_of_role);
        DeleteRolePolicy(Role, inline::delete_from_role);
        PutUserPermissionsBoundary(User, attached::bound_user);
        DeleteUserPermissionsBoundary(User, attached::unbound_user);
        PutRolePermissionsBoundary(Role, attached::bound_role);
        DeleteRolePermissionsBoundary(Role, attached::unbound_role);
        CreateRole(NewRole, roles::create);
        GetRole(Role, roles::get);
        ListRoles(Roles, roles::list);
        UpdateRole(Role, roles::update);
        UpdateRoleDescription(Role, roles::update_description);
        UpdateAssumeRolePolicy(Role, roles::update_trust);
        DeleteRole(Role, roles::delete);
        TagRole(Role, tags::tag_role);
        UntagRole(Role, tags::untag_role);
        ListRoleTags(Role, tags::list_of_role);
        ListInstanceProfilesForRole(Role, roles::list_instance_profiles);
        CreateOpenIDConnectProvider(NewProvider, providers::create);
        GetOpenIDConnectProvider(Provider, providers::get);
        ListOpenIDConnectProviders(Providers, providers::list);
        DeleteOpenIDConnectProvider(Provider, providers::delete);
        UpdateOpenIDConnectProviderThumbprint(Provider, providers::update_thumbprints);
        AddClientIDToOpenIDConnectProvider(Provider, providers::add_client_id);
        RemoveClientIDFromOpenIDConnectProvider(Provider, providers::remove_client_id);
        GetAccountSummary(Account, account::get_summary);
        ListAccountAliases(Account, account::list_aliases);
    }
    not_served {
        CreateAccountAlias: ALIASES;
        DeleteAccountAlias: ALIASES;
        GetAccountAuthorizationDetails: REPORTS;
        GenerateCredentialReport: REPORTS;
        GetCredentialReport: REPORTS;
        GenerateServiceLastAccessedDetails: REPORTS;
        GetServiceLastAccessedDetails: REPORTS;
        CreateLoginProfile: PASSWORDS;
        GetLoginProfile: PASSWORDS;
        UpdateLoginProfile: PASSWORDS;
        DeleteLoginProfile: PASSWORDS;
        ChangePassword: PASSWORDS;
        GetAccountPasswordPolicy: PASSWORDS;
        UpdateAccountPasswordPolicy: PASSWORDS;
        DeleteAccountPasswordPolicy: PASSWORDS;
        CreateVirtualMFADevice: MFA;
        DeleteVirtualMFADevice: MFA;
        EnableMFADevice: MFA;
        DeactivateMFADevice: MFA;
        ListMFADevices: MFA;
        ListVirtualMFADevices: MFA;
        ResyncMFADevice: MFA;
        CreateInstanceProfile: SERVICES;
        GetInstanceProfile: SERVICES;
        ListInstanceProfiles: SERVICES;
        DeleteInstanceProfile: SERVICES;
        AddRoleToInstanceProfile: SERVICES;
        RemoveRoleFromInstanceProfile: SERVICES;
        CreateServiceLinkedRole: SERVICES;
        DeleteServiceLinkedRole: SERVICES;
        CreateServiceSpecificCredential: SERVICES;
        ListServiceSpecificCredentials: SERVICES;
        CreateSAMLProvider: SAML;
        GetSAMLProvider: SAML;
        ListSAMLProviders: SAML;
        UpdateSAMLProvider: SAML;
        DeleteSAMLProvider: SAML;
        UploadServerCertificate: CERTIFICATES;
        GetServerCertificate: CERTIFICATES;
        ListServerCertificates: CERTIFICATES;
        DeleteServerCertificate: CERTIFICATES;
        UploadSigningCertificate: CERTIFICATES;
        ListSigningCertificates: CERTIFICATES;
        UploadSSHPublicKey: CERTIFICATES;
        ListSSHPublicKeys: CERTIFICATES;
        SimulateCustomPolicy: SIMULATION;
        SimulatePrincipalPolicy: SIMULATION;
        GetContextKeysForCustomPolicy: SIMULATION;
        GetContextKeysForPrincipalPolicy: SIMULATION;
    }
    Sts "sts:" {
        GetCallerIdentity(Itself, sts::session::caller_identity);
        AssumeRole(Itself, sts::assume_role::assume_role);
        AssumeRoleWithWebIdentity(Itself, sts::assume_role::with_web_identity);
        GetSessionToken(Itself, sts::session::session_token);
        GetFederationToken(Itself, sts::session::federation_token);
    }
    not_served {
        AssumeRoleWithSAML: SAML;
        AssumeRoot: SERVICES;
        DecodeAuthorizationMessage: SIMULATION;
        GetAccessKeyInfo: REPORTS;
    }
}
