//! nginx with its module nchan, for the benchmarks: the one on this machine, else Debian's packages, unpacked to the user's
//! cache. Not installed: that would start a web server on port 80 for everybody to see.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::house::House;
use crate::steps::Steps;

const PACKAGES: [&str; 2] = ["nginx", "libnginx-mod-nchan"];
const NGINX: &str = "usr/sbin/nginx";
const MODULE: &str = "usr/lib/nginx/modules/ngx_nchan_module.so";

pub(crate) struct Nchan {
    pub(crate) nginx: PathBuf,
    pub(crate) module: PathBuf,
}

impl Nchan {
    pub(crate) fn find_or_unpack(house: &House, steps: &mut Steps) -> Result<Self> {
        if let Some(installed) = Self::below(Path::new("/")) {
            return Ok(installed);
        }
        let folder = house.tools().join("nchan");
        if let Some(unpacked) = Self::below(&folder) {
            return Ok(unpacked);
        }
        ensure!(which::which("apt-get").is_ok(), "Debian's package libnginx-mod-nchan is not installed");
        // Unpacked beside its place, so that what is in its place is whole.
        let making = house.tools().join("nchan.part");
        if making.exists() {
            fs::remove_dir_all(&making)?;
        }
        fs::create_dir_all(&making)?;
        let mut download = house.command("apt-get");
        download.current_dir(&making).arg("download").args(PACKAGES);
        steps.run("apt-get download nchan", download)?;
        for entry in fs::read_dir(&making)? {
            let package = entry?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                let mut unpack = house.command("dpkg-deb");
                unpack.arg("--extract").arg(&package).arg(&making);
                let name = package.file_name().context("a package has a name")?.to_string_lossy().into_owned();
                steps.run(&format!("unpack {name}"), unpack)?;
                fs::remove_file(&package)?;
            }
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::rename(&making, &folder).with_context(|| format!("renaming {}", making.display()))?;
        let Some(unpacked) = Self::below(&folder) else { bail!("Debian's nginx does not start here") };
        Ok(unpacked)
    }

    fn below(root: &Path) -> Option<Self> {
        let found = Self { nginx: root.join(NGINX), module: root.join(MODULE) };
        (found.module.exists() && apt::succeeds(&found.nginx, &["-v"])).then_some(found)
    }
}
