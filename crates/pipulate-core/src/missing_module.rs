//! A Python module that is not installed, found in a program's output, and the package that contains it.

/// A module that could not be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingModule {
    /// The imported name, without submodules.
    pub module: String,
    /// The package to install for it.
    pub package: String,
}

/// Modules that come in a package of another name.
const PACKAGES: [(&str, &str); 33] = [
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("Crypto", "pycryptodome"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("discord", "discord.py"),
    ("distutils", "setuptools"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("fasthtml", "python-fasthtml"),
    ("fitz", "pymupdf"),
    ("git", "GitPython"),
    ("github", "PyGithub"),
    ("igraph", "python-igraph"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("kafka", "kafka-python"),
    ("ldap", "python-ldap"),
    ("magic", "python-magic"),
    ("multipart", "python-multipart"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "pillow"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2", "psycopg2-binary"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("telegram", "python-telegram-bot"),
    ("umap", "umap-learn"),
    ("yaml", "PyYAML"),
    ("zmq", "pyzmq"),
];

/// Parts of Python itself, which are in no package.
const OF_PYTHON: [&str; 8] =
    ["tkinter", "_tkinter", "_ctypes", "_lzma", "_sqlite3", "_bz2", "readline", "_curses"];

impl MissingModule {
    /// Returns the missing module if a program's output ends with that error.
    ///
    /// ```
    /// use pipulate_core::missing_module::MissingModule;
    ///
    /// let printed = ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'cv2'"];
    /// let missing = MissingModule::in_lines(&printed).unwrap();
    /// assert_eq!((missing.module.as_str(), missing.package.as_str()), ("cv2", "opencv-python-headless"));
    /// ```
    pub fn in_lines<S: AsRef<str>>(lines: &[S]) -> Option<Self> {
        // A reloader or other supervisor may print a few lines after the traceback.
        const WORDS_AFTER: usize = 5;
        lines.iter().rev().take(WORDS_AFTER).find_map(|line| Self::in_line(line.as_ref()))
    }

    /// `ModuleNotFoundError: No module named 'sklearn.linear_model'`
    fn in_line(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("ModuleNotFoundError: No module named '")?;
        let (named, rest) = rest.split_once('\'')?;
        // One of the project's own files has the package's name.
        if rest.contains("is not a package") {
            return None;
        }
        Self::of(named)
    }

    /// Returns the package to install for a module; `None` for a part of Python.
    pub fn of(module: &str) -> Option<Self> {
        let module = module.split('.').next().unwrap_or_default();
        let is_name = !module.is_empty()
            && module.len() <= 100
            && module.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !module.starts_with(|c: char| c.is_ascii_digit());
        if !is_name || OF_PYTHON.contains(&module) {
            return None;
        }
        let known = PACKAGES.iter().find(|(name, _)| *name == module).map(|(_, package)| *package);
        Some(Self { module: module.to_owned(), package: known.unwrap_or(module).to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(lines: &str) -> Option<String> {
        MissingModule::in_lines(&lines.lines().collect::<Vec<_>>()).map(|missing| missing.package)
    }

    #[test]
    fn the_package_of_a_module_is_found_in_a_traceback() {
        let traceback = |module: &str| {
            format!(
                "Traceback (most recent call last):\n  File \"/p/server.py\", line 1, in <module>\n    import x\n\
                 ModuleNotFoundError: No module named '{module}'\n"
            )
        };
        for (module, wanted) in [
            ("pandas", "pandas"),
            ("sklearn.linear_model", "scikit-learn"),
            ("cv2", "opencv-python-headless"),
            ("PIL", "pillow"),
            ("yaml", "PyYAML"),
            ("bs4", "beautifulsoup4"),
            ("dotenv", "python-dotenv"),
            ("fasthtml", "python-fasthtml"),
        ] {
            assert_eq!(package(&traceback(module)).as_deref(), Some(wanted), "{module}");
        }
        assert_eq!(package(&traceback("_tkinter")), None, "a part of Python");
        assert_eq!(package(&traceback("x; rm -rf ~")), None);
        assert_eq!(package(&traceback("-r")), None);
    }

    #[test]
    fn only_the_end_of_the_output_counts_and_only_what_is_not_there() {
        let missing = "ModuleNotFoundError: No module named 'pandas'\n";
        assert_eq!(package(&format!("{missing}INFO: stopping\nexited\n")).as_deref(), Some("pandas"));
        assert_eq!(package(&format!("{missing}{}", "INFO: up\n".repeat(9))), None);
        assert_eq!(package("ModuleNotFoundError: No module named 'a.b'; 'a' is not a package\n"), None);
    }

    #[test]
    fn the_list_is_sorted_and_has_each_module_once() {
        let lower = PACKAGES.map(|(module, _)| module.to_lowercase());
        assert!(lower.is_sorted_by(|a, b| a < b), "{lower:?}");
    }
}
