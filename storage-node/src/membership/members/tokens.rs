//! Join tokens, as the meta group keeps them: all in one row, so that few of them are live at once and each can be seen.
//!
//! Promises: of a token's secret only the hash is kept; a token is good for a role, a bounded time and a bounded number
//! of members; those that have run out, and those of an authority that does not sign any more, go with the next change. A
//! member that asks again with the token that admitted it, for its answer was lost, takes no second place.
//! Must not know: how a member gets its place in the map.

use std::time::Duration;

use couronne_base::codec;
use couronne_base::codec::table::record;
use couronne_cluster::Role;
use couronne_ring::NodeId;

use super::sealed_rows::{SealedRow, TOKENS_KEY};
use crate::error::NodeError;
use crate::membership::Membership;

/// How many tokens are live at once, at most.
const TOKENS_MAX: usize = 64;

/// How long a token is good, at most.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_hours(7 * 24);

/// How many members join with a token, at most.
pub const TOKEN_JOINS_MAX: u32 = 256;

/// A token, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPlan {
    /// The role of the members that join with it.
    pub role: Role,
    /// How long it is good; at most [`TOKEN_LIFETIME_MAX`].
    pub lifetime: Duration,
    /// How many members join with it; at most [`TOKEN_JOINS_MAX`].
    pub joins_max: u32,
}

/// What the cluster keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number.
    pub id: u64,
    /// The hash of its secret.
    pub(super) hash: [u8; 32],
    /// The role of the members that join with it.
    pub role: Role,
    /// Wall clock from which on it admits nobody, in milliseconds since 1970.
    pub expires_ms: u64,
    /// How many members may join with it.
    pub joins_max: u32,
    /// Those that did.
    pub joined: Vec<NodeId>,
    /// The number of the certificate authority that it names.
    pub(super) authority: u64,
}

/// All tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tokens {
    tokens: Vec<TokenRow>,
}

record! { TokenRow { 1 id, 2 hash, 3 role, 4 expires_ms, 5 joins_max, 6 joined, 7 authority } }
record! { Tokens { 1 tokens } }

impl TokenPlan {
    /// Refuses what would be good for too long, or for too many.
    pub(super) fn check(&self) -> Result<(), NodeError> {
        let is_bounded = (Duration::from_secs(1)..=TOKEN_LIFETIME_MAX).contains(&self.lifetime)
            && (1..=TOKEN_JOINS_MAX).contains(&self.joins_max);
        let (days, joins) = (TOKEN_LIFETIME_MAX.as_secs() / 86_400, TOKEN_JOINS_MAX);
        let why = || NodeError::Token(format!("a join token is good for {days} days and {joins} members at most"));
        if is_bounded { Ok(()) } else { Err(why()) }
    }
}

impl Tokens {
    /// Adds a token.
    fn add(&mut self, token: TokenRow) -> Result<(), NodeError> {
        let is_taken = self.tokens.iter().any(|known| known.id == token.id);
        if is_taken || self.tokens.len() >= TOKENS_MAX {
            return Err(NodeError::Token(
                "there are too many join tokens: revoke some, or wait until they run out".to_owned(),
            ));
        }
        self.tokens.push(token);
        Ok(())
    }

    /// Takes a place of the token with this number and hash, for a member; whether that changed anything, or `None` if
    /// the token does not admit it.
    fn take_place(&mut self, id: u64, hash: &[u8; 32], role: Role, node: NodeId) -> Option<bool> {
        // Hashes are compared: how long that takes says nothing of the secret.
        let token = self.tokens.iter_mut().find(|token| token.id == id && token.hash == *hash && token.role == role)?;
        if token.joined.contains(&node) {
            return Some(false);
        }
        let is_free = u32::try_from(token.joined.len()).is_ok_and(|joined| joined < token.joins_max);
        is_free.then(|| token.joined.push(node)).map(|()| true)
    }
}

/// The tokens of a cluster.
pub(super) struct TokenStore<'a> {
    pub(super) rows: &'a Membership,
    /// The time, in milliseconds since 1970.
    pub(super) now_ms: u64,
    /// The number of the certificate authority that signs, as far as it is known here.
    pub(super) signing: u64,
}

impl TokenStore<'_> {
    /// The tokens that are live.
    pub(super) async fn list(&self) -> Result<Vec<TokenRow>, NodeError> {
        Ok(self.read().await?.1.tokens)
    }

    /// Adds a token.
    pub(super) async fn add(&self, token: &TokenRow) -> Result<(), NodeError> {
        self.change(|tokens| tokens.add(token.clone()).map(|()| (true, ()))).await
    }

    /// Revokes a token: it admits nobody any more. Whether there was one.
    pub(super) async fn revoke(&self, id: u64) -> Result<bool, NodeError> {
        self.change(|tokens| {
            let before = tokens.tokens.len();
            tokens.tokens.retain(|token| token.id != id);
            let is_gone = tokens.tokens.len() < before;
            Ok((is_gone, is_gone))
        })
        .await
    }

    /// Takes a place of a token for a member; `None` if no live token has this secret, for this role and with a place
    /// left, else whether it was taken now.
    pub(super) async fn take_place(
        &self,
        (id, hash): (u64, &[u8; 32]),
        role: Role,
        node: NodeId,
    ) -> Result<Option<bool>, NodeError> {
        self.change(|tokens| {
            let taken = tokens.take_place(id, hash, role, node);
            Ok((taken == Some(true), taken))
        })
        .await
    }

    /// Gives back the place that was taken for a member that was not admitted after all.
    pub(super) async fn give_back(&self, id: u64, node: NodeId) -> Result<(), NodeError> {
        self.change(|tokens| {
            tokens
                .tokens
                .iter_mut()
                .filter(|token| token.id == id)
                .for_each(|token| token.joined.retain(|member| *member != node));
            Ok((true, ()))
        })
        .await
    }

    async fn read(&self) -> Result<(SealedRow, Tokens), NodeError> {
        let read = self.rows.read_sealed(TOKENS_KEY).await?;
        let corrupt = |error| NodeError::Map(format!("join tokens: {error}"));
        let mut tokens = read.value.as_ref().map_or(Ok(Tokens::default()), codec::decode).map_err(corrupt)?;
        // Where one names an authority that another took the place of, an impostor may have learnt its secret.
        tokens.tokens.retain(|token| self.now_ms < token.expires_ms && self.signing <= token.authority);
        Ok((read, tokens))
    }

    /// Changes the row; `change` says whether it changed anything, and may be called several times.
    async fn change<T>(&self, change: impl Fn(&mut Tokens) -> Result<(bool, T), NodeError>) -> Result<T, NodeError> {
        loop {
            let (read, mut tokens) = self.read().await?;
            let (is_changed, told) = change(&mut tokens)?;
            if !is_changed || self.rows.write_sealed(TOKENS_KEY, &read, &codec::encode(&tokens)).await? {
                return Ok(told);
            }
        }
    }
}

/// What is kept of a token's secret.
pub(super) fn hash(secret: &[u8]) -> [u8; 32] {
    blake3::derive_key("couronne 2026 join token", secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(id: u64, joins_max: u32) -> TokenRow {
        TokenRow {
            id,
            hash: [7; 32],
            role: Role::Gateway,
            expires_ms: 300,
            joins_max,
            joined: Vec::new(),
            authority: 4,
        }
    }

    /// The bytes of the row on disks: a change of these numbers is another format.
    #[test]
    fn rows_are_encoded_as_fixed() {
        let tokens = Tokens { tokens: vec![TokenRow { joined: vec![NodeId(9)], ..token(5, 3) }] };
        let row = codec::encode(&tokens);
        let head = [&[1, 1, 68, 1, 1, 5, 2, 32][..], &[7; 32], &[3, 1, 2, 4, 2, 0xac, 2, 5, 1, 3]].concat();
        let fixed = [&head[..], &[6, 16], &[0; 15], &[9], &[7, 1, 4]].concat();
        assert_eq!(row, fixed);
        assert_eq!(codec::decode(&row), Ok(tokens));
    }

    #[test]
    fn a_token_has_so_many_places_and_a_repeat_takes_none() {
        let mut tokens = Tokens::default();
        tokens.add(token(1, 2)).unwrap();
        assert!(tokens.add(token(1, 2)).is_err(), "the number is taken");
        let mut take = |id, hash, role, node| tokens.take_place(id, &hash, role, NodeId(node));
        assert_eq!(take(2, [7; 32], Role::Gateway, 1), None, "no such token");
        assert_eq!(take(1, [8; 32], Role::Gateway, 1), None, "another secret");
        assert_eq!(take(1, [7; 32], Role::StorageNode, 1), None, "another role");
        assert_eq!(take(1, [7; 32], Role::Gateway, 1), Some(true));
        assert_eq!(take(1, [7; 32], Role::Gateway, 1), Some(false), "the same member");
        assert_eq!(take(1, [7; 32], Role::Gateway, 2), Some(true));
        assert_eq!(take(1, [7; 32], Role::Gateway, 3), None, "no place is left");
        assert_eq!(take(1, [7; 32], Role::Gateway, 2), Some(false));
    }

    #[test]
    fn life_places_and_number_of_tokens_are_bounded() {
        let is_taken = |seconds, joins_max| {
            TokenPlan { role: Role::Gateway, lifetime: Duration::from_secs(seconds), joins_max }.check().is_ok()
        };
        let most = TOKEN_LIFETIME_MAX.as_secs();
        assert!(is_taken(1, 1) && is_taken(most, TOKEN_JOINS_MAX));
        for (seconds, joins_max) in [(0, 1), (most + 1, 1), (60, 0), (60, TOKEN_JOINS_MAX + 1), (u64::MAX, u32::MAX)] {
            assert!(!is_taken(seconds, joins_max), "{seconds} {joins_max}");
        }
        let mut tokens = Tokens::default();
        for id in 0..TOKENS_MAX as u64 {
            tokens.add(token(id, 1)).unwrap();
        }
        assert!(tokens.add(token(u64::MAX, 1)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_row_comes_back(id: u64, hash: [u8; 32], expires_ms: u64, joins_max: u32, joined in prop::collection::vec(any::<u128>(), 0..4)) {
            let joined = joined.into_iter().map(NodeId).collect();
            let tokens = Tokens { tokens: vec![TokenRow { id, hash, role: Role::StorageNode, expires_ms, joins_max, joined, authority: id }] };
            prop_assert_eq!(codec::decode(&codec::encode(&tokens)), Ok(tokens));
        }
    }
}
