//! The one handler of the face: finds the resource, decides, carries the operation out, writes the answer.
//!
//! Promises: no operation runs before its action was allowed on its resource; those whose resource is no account's own decide
//! by themselves ([`On::Itself`]).
//! Must not know: single operations.

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::api::Service;
use super::call::{Call, Done};
use super::error::{Code, QueryError};
use super::operation::Operation;
use super::service::{Iam, QueryRequest};
use super::target::On;
use crate::aws::xml::Writer;
use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, FrontError, Gateway, Handler, Response};
use crate::identity::CallerKind;

/// An operation of the table.
pub(super) struct Execute(Operation);

impl Execute {
    async fn run(&self, call: &Call<'_>) -> Done<Writer> {
        let Self(operation) = self;
        check_session(call, *operation)?;
        if operation.on() != On::Itself {
            let target = call.target(operation.on()).await?;
            call.permit(operation.action(), &target)?;
        }
        let mut result = Writer::new();
        operation.run(call, &mut result).await?;
        Ok(result)
    }
}

impl Handler for Execute {
    type Face = Iam;
    type Resources = NoBucket;

    fn parse(request: &QueryRequest) -> Result<Self, QueryError> {
        Operation::of(request).map(Self)
    }

    fn resources(&self, _: &QueryRequest) -> Result<NoBucket, QueryError> {
        Ok(NoBucket)
    }

    async fn execute(
        authorized: Authorized<Self>,
        gateway: &Gateway<Iam>,
        _: &mut Body<Iam>,
    ) -> Result<Response, FrontError<QueryError>> {
        let (request, credential) = (authorized.request(), authorized.caller());
        let Self(operation) = authorized.operation();
        let now_ms = gateway.env.clock.wall_ms();
        let call = Call { identity: &gateway.identity, request, credential, notes: authorized.notes(), now_ms };
        let result = authorized.operation().run(&call).await;
        let result = result.map_err(|fault| call.told(fault).of(operation.service()))?;
        let name = operation.name();
        let document = Writer::in_namespace(&format!("{name}Response"), operation.service().namespace(), |xml| {
            // Of these alone AWS's answer has a result without content.
            if !result.is_empty() || *operation == Operation::UpdateRole {
                xml.element(&format!("{name}Result"), |xml| xml.fragment(&result));
            }
            xml.element("ResponseMetadata", |xml| xml.value("RequestId", request.head.id));
        });
        let mut response = Response::ok().header(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        response.body = document.into();
        Ok(response)
    }
}

/// What sessions of users and of federated users may not ask for, whatever policies say: AWS's "Compare AWS STS credentials".
fn check_session(call: &Call<'_>, operation: Operation) -> Result<(), QueryError> {
    let caller = call.caller();
    let is_of_role = matches!(caller.kind, CallerKind::RoleSession { .. });
    if caller.token.is_none() || is_of_role && operation.service() == Service::Iam {
        return Ok(());
    }
    let is_federated = matches!(caller.kind, CallerKind::FederatedUser { .. });
    match operation {
        Operation::GetCallerIdentity => Ok(()),
        Operation::AssumeRole if !is_federated => Ok(()),
        _ if operation.service() == Service::Iam => Err(QueryError::unknown_credential()),
        _ => {
            let message = format!("Cannot call {} with session credentials", operation.name());
            Err(QueryError::new(Code::AccessDenied, message))
        }
    }
}
