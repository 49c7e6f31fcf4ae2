//! MD5 by aws-lc: its assembly is the fastest single stream we know, and aws-lc-rs does not offer it.
//!
//! S3 defines entity tags by it; nothing here relies on it for security.

use std::ptr::{NonNull, null_mut};

use aws_lc_sys::{
    EVP_DigestFinal_ex, EVP_DigestInit_ex, EVP_DigestUpdate, EVP_MD_CTX, EVP_MD_CTX_free, EVP_MD_CTX_new, EVP_md5,
};

/// MD5 of a stream.
pub(super) struct Md5 {
    /// `None` if memory for it could not be had; such a digest comes to nothing.
    context: Option<NonNull<EVP_MD_CTX>>,
}

// SAFETY: the context is heap memory that this value alone points to.
unsafe impl Send for Md5 {}
// SAFETY: nothing can be done with a shared reference.
unsafe impl Sync for Md5 {}

impl Md5 {
    pub(super) fn new() -> Self {
        // SAFETY: a new context may be initialised with any digest; the engine argument may be null.
        let context = unsafe {
            let context = NonNull::new(EVP_MD_CTX_new());
            context.filter(|context| EVP_DigestInit_ex(context.as_ptr(), EVP_md5(), null_mut()) == 1)
        };
        Self { context }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let Some(context) = self.context else { return };
        // SAFETY: the context was initialised, and `bytes` is readable for its length. It cannot fail
        // for MD5.
        unsafe { EVP_DigestUpdate(context.as_ptr(), bytes.as_ptr().cast(), bytes.len()) };
    }

    /// The digest; `None` if there was no memory for it.
    pub(super) fn finish(self) -> Option<[u8; 16]> {
        let mut digest = [0; 16];
        let mut len = 0;
        // SAFETY: the context was initialised, and MD5 writes 16 bytes.
        let done = unsafe { EVP_DigestFinal_ex(self.context?.as_ptr(), digest.as_mut_ptr(), &mut len) };
        (done == 1 && len == 16).then_some(digest)
    }
}

impl Drop for Md5 {
    fn drop(&mut self) {
        if let Some(context) = self.context {
            // SAFETY: made by `EVP_MD_CTX_new`, and freed once.
            unsafe { EVP_MD_CTX_free(context.as_ptr()) };
        }
    }
}
