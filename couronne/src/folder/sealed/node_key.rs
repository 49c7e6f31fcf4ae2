//! The node's key: what seals the secrets in its data folders. It does not lie in them.
//!
//! It comes from the variable [`KEY_VARIABLE`], else from a command that prints it, else from a file: 64 hexadecimal
//! digits. A file that is not there is made when the first secret is sealed; later its absence refuses the start.
//! Promises: no key is made for data folders that have sealed secrets, unless these are given up; its file has mode 0600.
//! Must not know: what is sealed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couronne_base::env;
use couronne_base::seal::{NotSealed, SealKey, sealed_by};
use zeroize::Zeroizing;

use super::super::{DataFolderError, decoded, files};
use crate::settings::DataSettings;

/// The variable that has the key.
pub(crate) const KEY_VARIABLE: &str = "COURONNE_NODE_KEY";

/// What else the secret behind the key were used for would be another key.
const PURPOSE: &str = "couronne 2026-11 secrets in data folders";

/// The node's key.
pub(crate) struct NodeKey {
    key: SealKey,
    source: KeySource,
    /// The text of a file that is yet to be made.
    unkept: Option<Zeroizing<String>>,
}

/// What a key is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedKey {
    /// The data folders have nothing that is sealed: a new key is made if there is none.
    Begin,
    /// They have: no other key than that one is of use.
    Open,
    /// What is sealed there is given up: a new key is made if there is none, and in the place of a file that has none.
    Reset,
}

/// Where a key comes from.
#[derive(Clone, Debug)]
enum KeySource {
    Variable,
    Command(Vec<String>),
    File(PathBuf),
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => write!(f, "the variable {KEY_VARIABLE}"),
            Self::Command(words) => write!(f, "the command `{}` (data.node_key_command)", words.join(" ")),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl NodeKey {
    /// The key of a process with these settings. A new one if there is none, unless its data folders have what another one
    /// sealed.
    pub(crate) fn find(settings: &DataSettings, wanted: WantedKey) -> Result<Self, DataFolderError> {
        let source = KeySource::of(settings)?;
        let KeySource::File(path) = &source else { return Self::read(source) };
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if settings.folders.iter().any(|folder| whole(path).starts_with(whole(folder))) {
            return Err(DataFolderError::KeyInside(path.clone()));
        }
        if files::exists(path).map_err(DataFolderError::io("reading", path))? {
            match Self::read(source.clone()) {
                Err(DataFolderError::NoKey(..)) if wanted == WantedKey::Reset => {}
                read => return read,
            }
        } else if wanted == WantedKey::Open {
            return Err(DataFolderError::KeyMissing(path.clone()));
        }
        let text = Zeroizing::new(hex::encode(env::system().random_bytes::<32>()));
        Ok(Self { unkept: Some(text.clone()), ..Self::parse(&text, source)? })
    }

    /// The key of a process whose data folder somebody reads: as the variable and the settings say, else in the file that
    /// the running process told of, else in the file of a process without settings.
    pub(crate) fn of_running(settings: &DataSettings, told: Option<PathBuf>) -> Result<Self, DataFolderError> {
        let named = settings.node_key_file.is_some() || !settings.node_key_command.is_empty();
        Self::read(match (KeySource::of(settings)?, told) {
            (KeySource::File(_), Some(told)) if !named => KeySource::File(told),
            (source, _) => source,
        })
    }

    /// The file of the key, if it is in one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match &self.source {
            KeySource::File(path) => std::path::absolute(path).ok(),
            KeySource::Variable | KeySource::Command(_) => None,
        }
    }

    fn read(source: KeySource) -> Result<Self, DataFolderError> {
        let text = match &source {
            KeySource::Variable => Zeroizing::new(std::env::var(KEY_VARIABLE).unwrap_or_default()),
            KeySource::Command(words) => printed(words, &source)?,
            KeySource::File(path) => {
                let text = match files::read(path) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
                    text => text.map_err(DataFolderError::io("reading", path))?,
                };
                Zeroizing::new(text.ok_or_else(|| DataFolderError::KeyMissing(path.clone()))?)
            }
        };
        Self::parse(&text, source)
    }

    fn parse(text: &str, source: KeySource) -> Result<Self, DataFolderError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let parsed = hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| NotSealed);
        match parsed.and_then(|()| SealKey::derive(PURPOSE, bytes.as_slice())) {
            Ok(key) => Ok(Self { key, source, unkept: None }),
            Err(_) => {
                let digits = text.trim().bytes().take_while(u8::is_ascii_hexdigit).count();
                let why = format!("a key has 64 hexadecimal digits, and {digits} are there");
                Err(DataFolderError::NoKey(source.to_string(), why))
            }
        }
    }

    /// A secret as the data folders have it. The key stands before anything that it sealed does.
    pub(in super::super) fn seal(&self, about: &[&str], secret: &[u8]) -> Result<String, DataFolderError> {
        self.keep()?;
        let about: Vec<&[u8]> = about.iter().map(|part| part.as_bytes()).collect();
        let sealed = self.key.seal(&about, secret);
        sealed
            .map(|sealed| STANDARD.encode(sealed))
            .map_err(|error| DataFolderError::NoKey(self.source.to_string(), error.to_string()))
    }

    /// What a file has sealed.
    pub(in super::super) fn open(
        &self,
        path: &Path,
        about: &[&str],
        text: &str,
    ) -> Result<Zeroizing<Vec<u8>>, DataFolderError> {
        let sealed = decoded(text).unwrap_or_default();
        if sealed_by(&sealed).is_some_and(|name| name != self.key.name()) {
            return Err(DataFolderError::OtherKey { path: path.to_owned(), key: self.source.to_string() });
        }
        let about: Vec<&[u8]> = about.iter().map(|part| part.as_bytes()).collect();
        let opened = self.key.open(&about, &sealed);
        opened.map_err(|error| DataFolderError::Damaged { path: path.to_owned(), reason: error.to_string() })
    }

    /// Makes the file of a key that is new. A file that has none is set aside.
    fn keep(&self) -> Result<(), DataFolderError> {
        let (KeySource::File(path), Some(text)) = (&self.source, &self.unkept) else { return Ok(()) };
        if files::exists(path).map_err(DataFolderError::io("reading", path))? {
            match Self::read(self.source.clone()) {
                Err(DataFolderError::NoKey(..)) => {
                    drop(files::set_aside(path).map_err(DataFolderError::io("renaming", path))?);
                }
                kept => return kept.map(drop),
            }
        }
        let io = |error| DataFolderError::io("writing", path)(error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        files::create_folder(folder).map_err(io)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        files::replace(folder, &name, text).map_err(io)
    }
}

impl KeySource {
    fn of(settings: &DataSettings) -> Result<Self, DataFolderError> {
        if std::env::var(KEY_VARIABLE).is_ok_and(|text| !text.is_empty()) {
            return Ok(Self::Variable);
        }
        if !settings.node_key_command.is_empty() {
            return Ok(Self::Command(settings.node_key_command.clone()));
        }
        Ok(Self::File(settings.node_key_file().ok_or(DataFolderError::NoKeyFile)?))
    }
}

/// What a command prints.
fn printed(words: &[String], source: &KeySource) -> Result<Zeroizing<String>, DataFolderError> {
    let failed = |reason: String| DataFolderError::NoKey(source.to_string(), reason);
    let (program, arguments) = words.split_first().ok_or_else(|| failed("it is empty".to_owned()))?;
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = run.map_err(|error| failed(error.to_string()))?;
    let printed = Zeroizing::new(output.stdout);
    match output.status.success() {
        true => Ok(Zeroizing::new(String::from_utf8_lossy(&printed).into_owned())),
        false => Err(failed(output.status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(home: &Path) -> DataSettings {
        DataSettings { folders: vec![home.join("data")], ..DataSettings::default() }
    }

    #[test]
    fn a_key_is_made_once_beside_the_folder_and_never_for_what_another_sealed() {
        let home = tempfile::tempdir().unwrap();
        let (settings, path) = (settings(home.path()), home.path().join("data.key"));
        let missing = NodeKey::find(&settings, WantedKey::Open).err().unwrap().to_string();
        assert!(missing.contains(&path.display().to_string()), "{missing}");
        let first = NodeKey::find(&settings, WantedKey::Begin).unwrap();
        assert!(!path.exists(), "nothing is made before something is sealed");
        let sealed = first.seal(&["a"], b"s").unwrap();
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = NodeKey::find(&settings, WantedKey::Open).unwrap();
        assert_eq!(again.open(Path::new("f"), &["a"], &sealed).unwrap().as_slice(), b"s");
        assert!(matches!(again.open(Path::new("f"), &["b"], &sealed), Err(DataFolderError::Damaged { .. })));
        files::replace(home.path(), "data.key", &"1".repeat(64)).unwrap();
        let other = NodeKey::find(&settings, WantedKey::Open).unwrap();
        assert!(matches!(other.open(Path::new("f"), &["a"], &sealed), Err(DataFolderError::OtherKey { .. })));
        files::replace(home.path(), "data.key", "nonsense").unwrap();
        assert!(matches!(NodeKey::find(&settings, WantedKey::Open), Err(DataFolderError::NoKey(..))));
    }

    #[test]
    fn a_key_that_was_cut_short_is_wanted_back_and_only_a_reset_does_without_it() {
        let home = tempfile::tempdir().unwrap();
        let (settings, path) = (settings(home.path()), home.path().join("data.key"));
        NodeKey::find(&settings, WantedKey::Begin).unwrap().seal(&["a"], b"s").unwrap();
        let text_of = |path: &Path| files::read(path).unwrap().unwrap();
        let whole = text_of(&path);
        for short in ["", &whole[..30], "\u{fffd}"] {
            files::replace(home.path(), "data.key", short).unwrap();
            for wanted in [WantedKey::Begin, WantedKey::Open] {
                let said = NodeKey::find(&settings, wanted).err().unwrap().to_string();
                let digits = format!("{} are there", if short.len() == 30 { 30 } else { 0 });
                for word in
                    [&digits, &path.display().to_string(), "from your copy", "objects are not lost", "secrets reset"]
                {
                    assert!(said.contains(word) && !said.contains(&whole[..30]), "{said}");
                }
            }
            let other = NodeKey::find(&settings, WantedKey::Reset).unwrap();
            assert_eq!(text_of(&path), short, "nothing is made before something is sealed");
            let sealed = [other.seal(&["a"], b"1").unwrap(), other.seal(&["a"], b"2").unwrap()];
            assert_eq!(text_of(&home.path().join("data.key.damaged")), short);
            let again = NodeKey::find(&settings, WantedKey::Open).unwrap();
            assert!(sealed.iter().all(|sealed| again.open(Path::new("f"), &["a"], sealed).is_ok()));
        }
        files::replace(home.path(), "data.key", &whole).unwrap();
        assert!(NodeKey::find(&settings, WantedKey::Reset).is_ok_and(|key| key.unkept.is_none()), "it is not lost");
    }

    #[test]
    fn the_settings_say_where_the_key_is() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("elsewhere/key");
        let mut settings = DataSettings { node_key_file: Some(file.clone()), ..settings(home.path()) };
        let sealed = NodeKey::find(&settings, WantedKey::Begin).unwrap().seal(&["a"], b"s").unwrap();
        assert!(file.exists() && !home.path().join("data.key").exists());
        settings.node_key_command = vec!["cat".to_owned(), file.display().to_string()];
        let of_command = NodeKey::find(&settings, WantedKey::Open).unwrap();
        assert_eq!(of_command.open(Path::new("f"), &["a"], &sealed).unwrap().as_slice(), b"s");
        for command in [vec!["false"], vec!["/nonexistent"], vec!["echo", "12"]] {
            settings.node_key_command = command.into_iter().map(str::to_owned).collect();
            let refused = NodeKey::find(&settings, WantedKey::Open).err().unwrap().to_string();
            assert!(refused.contains("node_key_command"), "{refused}");
        }
        settings.node_key_command.clear();
        settings.node_key_file = Some(home.path().join("data/inside"));
        assert!(matches!(NodeKey::find(&settings, WantedKey::Begin), Err(DataFolderError::KeyInside(_))));
    }
}
