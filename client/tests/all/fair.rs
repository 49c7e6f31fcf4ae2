//! The budgets of a client are shared fairly among those that hold them.

use std::time::Duration;

use couronne_base::fair::{Claim, Cut, Holder, Patience, Pool, Short};
use couronne_base::testing::paused;

const PATIENCE: Patience =
    Patience { cut_after: Duration::from_millis(500), cuts_own: true, give_up_after: Duration::from_secs(5) };

fn holder(account: &str) -> Holder {
    Holder::new([account, "bucket"])
}

async fn filled(pool: &Pool, account: &str, amount: u64, need: u64) -> Claim {
    let mut claim = pool.claim(&holder(account), need, &Cut::default());
    claim.take(amount).await.unwrap();
    claim
}

/// One account fills the pool with claims that stop, another has a little and asks for a little more.
#[test]
fn the_holder_of_most_gives_way() {
    paused().block_on(async {
        let pool = Pool::new(1000, PATIENCE);
        let little = filled(&pool, "little", 100, 100).await;
        let mut much = Vec::new();
        for _ in 0..9 {
            much.push(filled(&pool, "much", 100, 100).await);
        }
        // A claim that is cut gives back what it holds.
        let ends = much.into_iter().map(|claim| {
            let cut = claim.cut().clone();
            tokio::spawn(async move {
                cut.wait().await;
                drop(claim);
            })
        });
        let ends: Vec<_> = ends.collect();
        let before = tokio::time::Instant::now();
        let more = filled(&pool, "little", 100, 100).await;
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        assert!(!little.cut().is_cut(), "the one that holds little was cut");
        assert_eq!(ends.iter().filter(|end| end.is_finished()).count(), 1, "one was enough");
        assert_eq!(pool.held_by(&holder("little"))[0], 200);
        drop(more);
    });
}

#[test]
fn a_claim_that_waits_in_vain_is_told_so() {
    paused().block_on(async {
        let pool = Pool::new(100, Patience { cuts_own: false, ..PATIENCE });
        let all = filled(&pool, "a", 100, 100).await;
        let mut late = pool.claim(&holder("a"), 10, &Cut::default());
        assert_eq!(late.take(10).await, Err(Short::Waited));
        drop(all);
        assert_eq!(late.take(10).await, Ok(()));
        assert_eq!(pool.free(), 90);
        drop(late);
        assert_eq!(pool.free(), 100);
    });
}

/// A wait that is given up leaves nothing behind.
#[test]
fn a_wait_may_be_dropped() {
    paused().block_on(async {
        let pool = Pool::new(100, Patience { cuts_own: false, ..PATIENCE });
        let all = filled(&pool, "a", 100, 100).await;
        let mut late = pool.claim(&holder("a"), 100, &Cut::default());
        assert!(tokio::time::timeout(Duration::from_millis(10), late.take(100)).await.is_err());
        drop(all);
        assert_eq!(pool.free(), 100);
        assert_eq!(late.take(100).await, Ok(()));
    });
}
