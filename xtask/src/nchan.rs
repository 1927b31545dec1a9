//! nginx with its module nchan, for the benchmarks: the one on this machine, or else Debian's packages.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::apt;
use crate::debian;
use crate::repository::Repository;
use crate::steps::Steps;

const PACKAGES: [&str; 2] = ["nginx", "libnginx-mod-nchan"];
const NGINX: &str = "usr/sbin/nginx";
const MODULE: &str = "usr/lib/nginx/modules/ngx_nchan_module.so";

pub(crate) struct Nchan {
    pub(crate) nginx: PathBuf,
    pub(crate) module: PathBuf,
}

impl Nchan {
    pub(crate) fn find_or_unpack(repository: &Repository, steps: &mut Steps) -> Result<Self> {
        if let Some(installed) = Self::below(Path::new("/")) {
            return Ok(installed);
        }
        let folder = debian::unpack(repository, steps, "nchan", &PACKAGES)?;
        let Some(unpacked) = Self::below(&folder) else {
            bail!(
                "the nginx unpacked from Debian's packages does not start on this machine; install nginx and libnginx-mod-nchan"
            )
        };
        Ok(unpacked)
    }

    fn below(root: &Path) -> Option<Self> {
        let found = Self { nginx: root.join(NGINX), module: root.join(MODULE) };
        (found.module.exists() && apt::succeeds(&found.nginx, &["-v"])).then_some(found)
    }
}
