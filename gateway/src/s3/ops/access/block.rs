//! The document of a public access block, of a bucket's or an account's.

use crate::access::PublicAccessBlock;
use crate::s3::error::{Code, Result};
use crate::s3::wire::xml::{self, Writer};

const ROOT: &str = "PublicAccessBlockConfiguration";

/// Reads a document. What it does not name is not blocked.
pub fn read(document: &[u8]) -> Result<PublicAccessBlock> {
    let document = xml::read(document, ROOT)?;
    let mut block = PublicAccessBlock::default();
    for child in document.children() {
        let flag = match child.name() {
            "BlockPublicAcls" => &mut block.block_public_acls,
            "IgnorePublicAcls" => &mut block.ignore_public_acls,
            "BlockPublicPolicy" => &mut block.block_public_policy,
            "RestrictPublicBuckets" => &mut block.restrict_public_buckets,
            _ => return Err(Code::MalformedXML.into()),
        };
        *flag = match child.text().trim() {
            text if text.eq_ignore_ascii_case("true") => true,
            text if text.eq_ignore_ascii_case("false") => false,
            _ => return Err(Code::MalformedXML.into()),
        };
    }
    Ok(block)
}

/// Writes the document.
pub fn write(block: PublicAccessBlock) -> String {
    Writer::document(ROOT, |xml| {
        xml.value("BlockPublicAcls", block.block_public_acls);
        xml.value("IgnorePublicAcls", block.ignore_public_acls);
        xml.value("BlockPublicPolicy", block.block_public_policy);
        xml.value("RestrictPublicBuckets", block.restrict_public_buckets);
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for block in [
            PublicAccessBlock::ALL,
            PublicAccessBlock::default(),
            PublicAccessBlock { block_public_policy: true, ..PublicAccessBlock::default() },
        ] {
            assert_eq!(read(write(block).as_bytes()).unwrap(), block);
        }
        for wrong in ["<BlockPublicAcls>yes</BlockPublicAcls>", "<BlockEverything>true</BlockEverything>"] {
            assert_eq!(read(format!("<{ROOT}>{wrong}</{ROOT}>").as_bytes()).unwrap_err().code(), Code::MalformedXML);
        }
    }
}
