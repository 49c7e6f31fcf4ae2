//! The fields of a form that stand before its file.
//!
//! Promises: they are small and bounded; a field stands once.
//! Must not know: how a form is sent, what a field means.

use super::error::{Code, Result, S3Error};

/// What the fields before the file may have together, names and values. Bytes.
pub const FIELDS_BYTES_MAX: usize = 20 << 10;
/// Fields of a form.
const FIELDS_MAX: usize = 200;
/// In a field it stands for the name of the file.
const FILE_NAME: &str = "${filename}";
/// The fields by which a form is signed.
pub const OF_SIGNATURES: [&str; 7] =
    ["awsaccesskeyid", "policy", "signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];

/// A form up to the bytes of its file, which follow.
#[derive(Clone, Debug)]
pub struct PostForm {
    /// What stands before the file.
    pub fields: Fields,
    /// What parts the form's parts.
    pub boundary: String,
}

/// The fields of a form, by their names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field; its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// All fields, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a field, if there may be one more.
    pub fn insert(&mut self, name: &str, value: String) -> Result<()> {
        let name = name.to_lowercase();
        if self.get(&name).is_some() {
            return Err(S3Error::invalid_argument("A field of a form may stand once.", &name, &value));
        }
        self.0.push((name, value));
        self.check_bounds()
    }

    /// Puts the file's name where fields ask for it: what follows its last slash or backslash.
    pub fn name_file(&mut self, file_name: &str) -> Result<()> {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        for (field, value) in &mut self.0 {
            if !OF_SIGNATURES.contains(&field.as_str()) && value.contains(FILE_NAME) {
                *value = value.replace(FILE_NAME, name);
            }
        }
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<()> {
        let bytes = self.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum::<usize>();
        let fits = bytes <= FIELDS_BYTES_MAX && self.0.len() <= FIELDS_MAX;
        if fits { Ok(()) } else { Err(Code::MaxPostPreDataLengthExceededError.into()) }
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_stands_where_fields_ask_for_it() {
        let mut fields = Fields::default();
        for (name, value) in
            [("Key", "a/${filename}"), ("x-amz-meta-n", "${filename}${filename}"), ("policy", "${filename}")]
        {
            fields.insert(name, value.to_owned()).unwrap();
        }
        assert_eq!(
            fields.insert("KEY", "b".to_owned()).unwrap_err().code(),
            Code::InvalidArgument,
            "a field stands once"
        );
        fields.name_file("C:\\dir\\cat.png").unwrap();
        assert_eq!(fields.get("key"), Some("a/cat.png"));
        assert_eq!(fields.get("x-amz-meta-n"), Some("cat.pngcat.png"));
        assert_eq!(fields.get("policy"), Some("${filename}"), "what is signed stays");
    }

    #[test]
    fn fields_are_bounded() {
        let too_long = Code::MaxPostPreDataLengthExceededError;
        let mut fields = Fields::default();
        let value = "v".repeat(FIELDS_BYTES_MAX / 4);
        let full =
            (0..5).map(|number| fields.insert(&number.to_string(), value.clone())).find_map(Result::err).unwrap();
        assert_eq!(full.code(), too_long);
        let mut fields = Fields::default();
        let full = (0..).map(|number: usize| fields.insert(&number.to_string(), String::new())).find_map(Result::err);
        assert_eq!((full.unwrap().code(), fields.0.len()), (too_long, FIELDS_MAX + 1));
        let mut named_often = Fields::of(&[("key", &FILE_NAME.repeat(1000))]);
        assert_eq!(named_often.name_file(&"n".repeat(1000)).unwrap_err().code(), too_long);
    }
}
