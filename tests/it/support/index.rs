//! A package index in a folder, with wheels of packages that no real index has.

use std::path::Path;

use super::project::python;
use super::run;

/// A package that no real index has.
pub(crate) const PACKAGE: &str = "pipulate-probe";

/// Creates wheels of these versions and an index of them: `FOLDER/simple`, `FOLDER/wheels`.
const SCRIPT: &str = r#"
import base64, hashlib, os, sys, zipfile
folder, package, *versions = sys.argv[1:]
module = package.replace("-", "_")
simple, wheels = (os.path.join(folder, name) for name in (f"simple/{package}", "wheels"))
for each in (simple, wheels):
    os.makedirs(each, exist_ok=True)
links = ""
for number, version in enumerate(versions):
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"version = '{version}'\n" + '\n' * number,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    # Python tells a compiled file from a stale one by size and time: the versions differ in size.
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join(lines) + f"{info}/RECORD,,\n"
    name = f"{module}-{version}-py3-none-any.whl"
    for place in (simple, wheels):
        with zipfile.ZipFile(os.path.join(place, name), "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
    links += f'<a href="{name}">{name}</a>\n'
page = "<!DOCTYPE html><html><body>\n{}</body></html>\n"
open(os.path.join(simple, "index.html"), "w").write(page.format(links))
packages = sorted(entry.name for entry in os.scandir(os.path.join(folder, "simple")) if entry.is_dir())
links = "".join(f'<a href="{name}/">{name}</a>\n' for name in packages)
open(os.path.join(folder, "simple", "index.html"), "w").write(page.format(links))
"#;

/// Creates an index with these versions of a package, or adds them to one.
#[track_caller]
pub(crate) fn make(folder: &Path, package: &str, versions: &[&str]) {
    let mut command = run::command(python());
    run::output(command.args(["-c", SCRIPT]).arg(folder).arg(package).args(versions)).expect(0);
}
