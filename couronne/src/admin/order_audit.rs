//! Orders of operators as events of the audit.
//!
//! Must not know: what is ordered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_admin::audit::{OrderAudit, OrderRecord, TakeOrder};
use couronne_admin::types::{ApiError, ErrorCode};
use couronne_base::env::Clock;
use couronne_gateway::audit::{Audit, AuditOrder, OrderRoom};

/// Tells the audit of orders.
#[derive(Clone)]
pub(super) struct OrderEvents {
    pub(super) audit: Audit,
    pub(super) clock: Arc<dyn Clock>,
}

impl OrderEvents {
    fn tell(&self, room: Option<OrderRoom>, record: &OrderRecord, took: Duration) {
        // As refusals have it.
        let code = record.code.and_then(|code| serde_json::to_value(code).ok());
        self.audit.order(
            room,
            &AuditOrder {
                operation: record.operation,
                credential: record.credential,
                peer: record.peer,
                method: record.method.as_str(),
                path: &record.path,
                named: &record.named,
                status: record.status.map(|status| status.as_u16()),
                code: code.as_ref().and_then(serde_json::Value::as_str),
                took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            },
        );
    }
}

#[async_trait]
impl OrderAudit for OrderEvents {
    async fn admit(&self) -> Result<TakeOrder, ApiError> {
        let (events, began) = (self.clone(), self.clock.steady());
        let full = |_| ApiError::new(ErrorCode::Unavailable, "the audit does not take the order's event: try again");
        let room = self.audit.admit_order().await.map_err(full)?;
        Ok(Box::new(move |record| {
            let took = events.clock.steady().saturating_sub(began);
            events.tell(Some(room), &record, took);
        }))
    }

    fn refused(&self, record: OrderRecord) {
        self.tell(None, &record, Duration::ZERO);
    }
}
