//! What a request claims of its signature, wherever it stands.
//!
//! Promises: nothing here is believed yet; any text is read or refused.
//! Must not know: secrets, what was signed, a face's errors.

use jiff::civil;
use jiff::tz::TimeZone;

/// Where the credentials stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureLocation {
    /// In the Authorization header.
    Header,
    /// In the query, valid for so many seconds from the time of signing.
    Query {
        /// Seconds.
        expires_s: u64,
    },
}

/// For which day, region and service the signing key was derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The day: `20130524`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service, as in `s3`.
    pub service: String,
}

impl Scope {
    /// As it stands in the string to sign.
    pub fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// When a request says it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAt {
    /// As it stands in the string to sign: `20130524T000000Z`.
    pub text: String,
    /// Seconds since 1970.
    pub seconds: i64,
}

/// What a request signed with version 4 claims.
#[derive(Clone, Debug)]
pub struct V4 {
    /// Where it claims it.
    pub place: SignatureLocation,
    /// The access key.
    pub access_key: String,
    /// The scope of the signing key.
    pub scope: Scope,
    /// When it was signed.
    pub signed_at: SignedAt,
    /// The names of the signed headers: lower case, ascending, no name twice.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: [u8; 32],
}

impl SignedAt {
    /// Reads `20130524T000000Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let shape = text.len() == 16
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !shape {
            return None;
        }
        let time = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
        let seconds = TimeZone::UTC.to_timestamp(time).ok()?.as_second();
        Some(Self { text: text.to_owned(), seconds })
    }

    /// Reads an HTTP date.
    pub fn parse_http(text: &str) -> Option<Self> {
        let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Self { text: time.strftime("%Y%m%dT%H%M%SZ").to_string(), seconds: time.as_second() })
    }
}

/// The values of `Credential`, `SignedHeaders` and `Signature` in an Authorization header, after its algorithm; `None`: it has
/// another field, or one twice.
pub fn header_fields(fields: &str) -> Option<[Option<&str>; 3]> {
    let [mut credential, mut headers, mut signature] = [None; 3];
    for field in fields.split(',') {
        let (name, value) = field.trim().split_once('=')?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut headers,
            "Signature" => &mut signature,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some([credential, headers, signature])
}

/// `KEY/20130524/us-east-1/s3/aws4_request`; the key itself may hold slashes.
pub fn parse_credential(text: &str) -> Option<(String, Scope)> {
    let mut fields = text.rsplitn(5, '/');
    let (end, service, region, date, key) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let date_is_a_day = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    if end != "aws4_request" || !date_is_a_day || key.is_empty() {
        return None;
    }
    Some((key.to_owned(), Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() }))
}

/// `host;x-amz-date`, ascending; `None`: a name is not in lower case, or stands twice.
pub fn parse_signed_headers(text: &str) -> Option<Vec<String>> {
    let mut names: Vec<_> = text.split(';').map(str::to_owned).collect();
    names.sort_unstable();
    let valid = names.iter().all(|name| *name == name.to_ascii_lowercase());
    let unique = names.windows(2).all(|pair| pair.first() != pair.last());
    (valid && unique).then_some(names)
}

/// 32 bytes in hexadecimal.
pub fn parse_signature(text: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).ok()?;
    Some(signature)
}
