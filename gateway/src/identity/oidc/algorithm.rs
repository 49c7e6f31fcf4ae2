//! The algorithms that tokens may be signed with.
//!
//! Those of RFC 7518 and RFC 8037 with a pair of keys. `none` and the algorithms with a shared secret (`HS256` and the
//! like) are not here: a provider's keys are public, and every reader could sign with them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, VerificationAlgorithm,
};

/// An algorithm, and the kind of key that it takes.
#[derive(Clone, Copy)]
pub(super) struct Algorithm {
    /// Its name in `alg`.
    pub(super) name: &'static str,
    pub(super) scheme: Scheme,
}

/// How a signature is verified.
#[derive(Clone, Copy)]
pub(super) enum Scheme {
    /// RSA, of 2048 to 8192 bits.
    Rsa(&'static RsaParameters),
    /// A curve, by the name that its keys have in `crv`.
    Curve(&'static str, &'static dyn VerificationAlgorithm),
}

const ALGORITHMS: [Algorithm; 10] = [
    Algorithm { name: "RS256", scheme: Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA256) },
    Algorithm { name: "RS384", scheme: Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA384) },
    Algorithm { name: "RS512", scheme: Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA512) },
    Algorithm { name: "PS256", scheme: Scheme::Rsa(&RSA_PSS_2048_8192_SHA256) },
    Algorithm { name: "PS384", scheme: Scheme::Rsa(&RSA_PSS_2048_8192_SHA384) },
    Algorithm { name: "PS512", scheme: Scheme::Rsa(&RSA_PSS_2048_8192_SHA512) },
    Algorithm { name: "ES256", scheme: Scheme::Curve("P-256", &ECDSA_P256_SHA256_FIXED) },
    Algorithm { name: "ES384", scheme: Scheme::Curve("P-384", &ECDSA_P384_SHA384_FIXED) },
    Algorithm { name: "EdDSA", scheme: Scheme::Curve("Ed25519", &ED25519) },
    // RFC 9864 gives each curve its own name.
    Algorithm { name: "Ed25519", scheme: Scheme::Curve("Ed25519", &ED25519) },
];

impl Algorithm {
    /// The algorithm of this name, if tokens may be signed with it.
    pub(super) fn named(name: &str) -> Option<Self> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name == name)
    }
}
