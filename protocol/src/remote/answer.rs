//! The answering half: a message in, a call on what lives in this process, a message out.

use couronne_base::codec::Value;

use crate::range::RangeClient;
use crate::shard::{ShardClient, ShardDuties};
use crate::transport::{BODY_BYTES_MAX, Message, Method, Peer, Rejection};
use crate::wire::{
    self, DeleteBlob, DeleteShard, Describe, Done, Execute, GetShardAt, Payload, PutShardAt, Query, Ranges,
    ReportShard, RestoreShardAt, VerifyShard,
};
use couronne_cluster::Role;

/// Answers what is asked of the drives and ranges of `node`; other methods are not its own and are
/// rejected as malformed. The transport has checked that the sender may ask the method; what it may
/// not ask within one is refused here.
pub async fn answer<N>(node: &N, from: Peer, method: Method, message: Message) -> Result<Message, Rejection>
where
    N: ShardClient + ShardDuties + RangeClient + ?Sized,
{
    match method {
        Method::PutShard => {
            let PutShardAt { drive, request } = read(message)?;
            reply(node.put_shard(drive, request).await.map(|()| Done))
        }
        Method::RestoreShard => {
            let RestoreShardAt(PutShardAt { drive, request }) = read(message)?;
            reply(node.restore_shard(drive, request).await.map(|()| Done))
        }
        Method::GetShard => {
            let GetShardAt { drive, request } = read(message)?;
            reply(node.get_shard(drive, request).await)
        }
        Method::ReportShard => {
            let ReportShard { drive, shard, owner } = read(message)?;
            node.report(drive, shard, owner).await;
            reply(Ok::<_, crate::shard::ShardError>(Done))
        }
        Method::DeleteShard => {
            let DeleteShard { drive, shard, owner } = read(message)?;
            reply(node.delete_shard(drive, shard, &owner).await.map(u64::from))
        }
        Method::DeleteBlob => {
            let DeleteBlob { drive, blob, owner } = read(message)?;
            reply(node.delete_blob(drive, blob, &owner).await)
        }
        Method::VerifyShard => {
            let VerifyShard { drive, shard } = read(message)?;
            reply(node.verify_shard(drive, shard).await.map(|()| Done))
        }
        Method::Describe => {
            let Describe { start, end } = read(message)?;
            reply(node.describe(start, end).await.map(|ranges| Ranges { ranges }))
        }
        Method::Execute => {
            let Execute { address, request } = read(message)?;
            if from.role != Role::StorageNode && request.command.is_duty() {
                return Err(Rejection::Forbidden);
            }
            reply(node.execute(address, request).await)
        }
        Method::Query => {
            let Query { address, query } = read(message)?;
            reply(node.query(address, query).await)
        }
        _ => Err(Rejection::Malformed),
    }
}

fn read<A: Payload>(message: Message) -> Result<A, Rejection> {
    wire::unpack(message).map_err(|_| Rejection::Malformed)
}

fn reply<D: Payload, F: Value>(result: Result<D, F>) -> Result<Message, Rejection> {
    let message = wire::pack_reply(result);
    // Nothing so long is ever answered to a change: it is bounded by pages and the inline threshold.
    if message.body.len() > BODY_BYTES_MAX { Err(Rejection::Malformed) } else { Ok(message) }
}
