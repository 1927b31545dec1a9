//! The browsers that the tests drive: those on this machine, or else Debian's.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};

use crate::apt;
use crate::repository::Repository;
use crate::steps::Steps;

const CHROMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const FIREFOXES: [&str; 3] = ["firefox-esr", "firefox", "/Applications/Firefox.app/Contents/MacOS/firefox"];

/// The names of missing browsers, and the Debian packages that contain them.
type Missing = (Vec<&'static str>, Vec<&'static str>);

pub(crate) struct Browsers {
    pub(crate) chrome: PathBuf,
    pub(crate) chromedriver: PathBuf,
    pub(crate) firefox: PathBuf,
}

impl Browsers {
    pub(crate) fn find_or_install(repository: &Repository, steps: &mut Steps) -> Result<Self> {
        let (missing, packages) = match Self::find()? {
            Ok(browsers) => return Ok(browsers),
            Err(missing) => missing,
        };
        let missing = missing.join(" and ");
        apt::install(repository, steps, &format!("{missing} are"), &packages)?;
        Self::find()?.map_err(|_| {
            anyhow!("{missing} still do not start; install them, or set CHROME_BIN, CHROMEDRIVER and FIREFOX_BIN")
        })
    }

    /// The browsers, or which are missing and the Debian packages that contain them.
    fn find() -> Result<Result<Self, Missing>> {
        let chrome = first_that_starts("CHROME_BIN", &CHROMES)?;
        let chromedriver = first_that_starts("CHROMEDRIVER", &["chromedriver"])?;
        let firefox = first_that_starts("FIREFOX_BIN", &FIREFOXES)?;
        // A driver fits only one version of its browser, so both come from the same place.
        let (mut names, mut packages) = (Vec::new(), Vec::new());
        if chrome.is_none() || chromedriver.is_none() {
            names.push("Chromium with its chromedriver");
            packages.extend(["chromium", "chromium-driver"]);
        }
        if firefox.is_none() {
            names.push("Firefox");
            packages.push("firefox-esr");
        }
        Ok(match (chrome, chromedriver, firefox) {
            (Some(chrome), Some(chromedriver), Some(firefox)) => Ok(Self { chrome, chromedriver, firefox }),
            _ => Err((names, packages)),
        })
    }

    /// Writes the capabilities with which `wasm-bindgen-test-runner` starts both browsers. They switch off the sandbox,
    /// because Chromium has none for root, and the browser's own network use. Firefox opens few connections, because the
    /// runner's server may leave the fifth waiting; Chromium has no such setting, and gives up a page after 10 s.
    pub(crate) fn write_capabilities(&self, repository: &Repository) -> Result<PathBuf> {
        let path = repository.target("xtask/webdriver.json");
        let json = format!(
            r#"{{
  "timeouts": {{ "pageLoad": 10000 }},
  "goog:chromeOptions": {{
    "binary": {chrome:?},
    "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
  }},
  "moz:firefoxOptions": {{
    "binary": {firefox:?},
    "args": ["-headless"],
    "prefs": {{ "network.http.max-persistent-connections-per-server": 2 }}
  }}
}}
"#,
            chrome = self.chrome,
            firefox = self.firefox,
        );
        fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// A program that exists may still not start: some systems install a script that only says what to install.
fn first_that_starts(variable: &str, names: &[&str]) -> Result<Option<PathBuf>> {
    let starts = |path: &PathBuf| apt::succeeds(path, &["--version"]);
    if let Some(chosen) = env::var_os(variable) {
        let chosen = PathBuf::from(chosen);
        ensure!(starts(&chosen), "{variable} names {}, which does not start", chosen.display());
        return Ok(Some(chosen));
    }
    Ok(names.iter().filter_map(|name| which::which(name).ok()).find(starts))
}
