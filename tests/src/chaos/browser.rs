//! A real Chromium with the npm package, driven by `browser/drive.mjs`: commands go to its standard input, and the
//! page's reports come from its standard output, both as lines of JSON.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_protocol::Cursor;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Phase, Shared,
    habits::{Deed, Habits},
    ledger::{HandlerId, PersonId},
    over,
    tally::Count,
    traffic::{EventId, Interest, Person},
};

/// How long the browser may take to show the page, on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long the browser may take to end.
const END: Duration = Duration::from_secs(10);

pub(crate) struct Browser {
    shared: Arc<Shared>,
    person: Person,
    number: PersonId,
    habits: Habits,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// The handlers by the numbers that the page uses: those that are active, in their order, and all that ever were.
    listening: Vec<u64>,
    handlers: HashMap<u64, HandlerId>,
    next: u64,
    was_open: bool,
    state: String,
}

/// A report of the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Told {
    Ready {
        session_id: String,
    },
    Settled {
        handler: u64,
    },
    Refused {
        handler: u64,
        code: String,
    },
    Heard {
        handler: u64,
        payload: EventId,
        cursor: Cursor,
    },
    /// A gap reported to one handler.
    Gap {
        handler: u64,
        reason: String,
    },
    /// A gap reported to the client.
    Gaps {
        all: bool,
        reason: String,
    },
    State {
        state: String,
    },
    Error {
        code: String,
        will_retry: Option<bool>,
    },
    /// An exception of the page.
    Thrown {
        what: String,
    },
}

impl Browser {
    /// Starts the browser, with the page open and its client connecting to the hub at `base`.
    pub(crate) async fn start(shared: Arc<Shared>, mut person: Person, base: &str, habits: Habits) -> Result<Self> {
        let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let package = house.join("npm/dist/inline.js");
        ensure!(package.exists(), "{} is missing: cargo xtask build", package.display());
        let chrome = std::env::var_os("CHROME_BIN").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
        let mut child = Command::new("node")
            .arg(house.join("tests/src/chaos/browser/drive.mjs"))
            .arg(base)
            .arg(package)
            .arg(chrome)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting node")?;
        let mut input = child.stdin.take().context("node has no input")?;
        let output = child.stdout.take().context("node has no output")?;
        let names = json!({ "start": { "user": person.user, "deviceId": person.device } });
        write(&mut input, &names).await?;
        let mut output = BufReader::new(output).lines();
        let ready = timeout(START, output.next_line()).await.context("the browser did not start in time")??;
        let ready = ready.context("the browser ended before it started")?;
        match serde_json::from_str(&ready) {
            // The page's client chooses its session id.
            Ok(Told::Ready { session_id }) => person.session = session_id,
            _ => bail!("the browser did not start: {ready}"),
        }
        let number = shared.ledger.lock().join(person.clone());
        shared.rosters.lock().takes_part(number);
        Ok(Self {
            shared,
            person,
            number,
            habits,
            child,
            input,
            output,
            listening: Vec::new(),
            handlers: HashMap::new(),
            next: 0,
            was_open: false,
            state: String::new(),
        })
    }

    /// Runs until the run is over.
    pub(crate) async fn run(mut self, mut phase: watch::Receiver<Phase>) -> Result<()> {
        for interest in self.habits.first() {
            self.listen(interest, None).await?;
        }
        let mut next_deed = Instant::now() + self.habits.pause();
        loop {
            let busy = *phase.borrow() == Phase::Chaos;
            tokio::select! {
                line = self.output.next_line() => {
                    let line = line?.context("the browser ended unexpectedly")?;
                    self.hear(serde_json::from_str(&line).with_context(|| format!("the browser said {line}"))?);
                }
                () = sleep_until(next_deed), if busy => {
                    let deed = self.habits.deed(self.listening.len());
                    self.act_upon(deed).await?;
                    next_deed = Instant::now() + self.habits.pause();
                }
                () = over(&mut phase) => break,
            }
        }
        if self.state != "open" {
            self.shared.behaviour(&self.person.name, format!("is {} in the end", self.state));
        }
        self.end().await
    }

    /// Closes the browser's input, upon which it ends.
    async fn end(self) -> Result<()> {
        let Self { mut child, input, mut output, .. } = self;
        drop(input);
        let ended = async {
            // The output is read to the end, because a full pipe would keep the browser from ending.
            while output.next_line().await?.is_some() {}
            child.wait().await
        };
        let status = timeout(END, ended).await.context("the browser does not end")??;
        ensure!(status.success(), "the browser ended with {status}");
        Ok(())
    }

    async fn act_upon(&mut self, deed: Deed) -> Result<()> {
        match deed {
            Deed::Listen { interest, since } => {
                let since = (since && !interest.addressed)
                    .then(|| self.shared.ledger.lock().some_position(self.habits.rng()))
                    .flatten();
                self.listen(interest, since).await
            }
            Deed::Stop { index } => {
                let handler = self.listening.remove(index);
                self.shared.tally.add(Count::Unsubscribed);
                self.shared.ledger.lock().stopped(self.handlers[&handler]);
                self.command(&json!({ "stop": { "handler": handler } })).await
            }
            Deed::Reconnect => self.command(&json!({ "reconnect": {} })).await,
            // The other deeds would have to be done to the browser and not by the page.
            Deed::Doze(_) | Deed::Return | Deed::Online | Deed::Reload => Ok(()),
        }
    }

    async fn listen(&mut self, interest: Interest, since: Option<Cursor>) -> Result<()> {
        let handler = self.next;
        self.next += 1;
        let command = json!({ "listen": {
            "handler": handler,
            "addressed": interest.addressed,
            "pattern": interest.pattern,
            "since": since,
        } });
        self.shared.tally.add(Count::Subscribed);
        self.handlers.insert(handler, self.shared.ledger.lock().listen(self.number, interest, since));
        self.listening.push(handler);
        self.command(&command).await
    }

    async fn command(&mut self, command: &Value) -> Result<()> {
        write(&mut self.input, command).await
    }

    fn hear(&mut self, told: Told) {
        let Shared { ledger, tally, .. } = &*self.shared;
        let behaviour = |what: String| self.shared.behaviour(&self.person.name, what);
        match told {
            // This is reported once, and `start` handles it.
            Told::Ready { .. } => {}
            Told::Settled { handler } => ledger.lock().settled(self.handlers[&handler]),
            // The handler was stopped before it was confirmed.
            Told::Refused { code, .. } if code == "stopped" => {}
            Told::Refused { handler, code } => behaviour(format!("handler {handler} was refused: {code}")),
            Told::Heard { handler, payload, cursor } => {
                tally.add(Count::Delivered);
                ledger.lock().heard(self.handlers[&handler], payload, cursor);
            }
            Told::Gap { handler, reason } => ledger.lock().gap(self.handlers[&handler], &reason),
            Told::Gaps { all, reason } => {
                tally.gap(&reason);
                if all {
                    ledger.lock().gap_of_all(self.number, &reason);
                }
            }
            Told::State { state } => {
                if state == "open" && self.state != "open" {
                    let first = !std::mem::replace(&mut self.was_open, true);
                    tally.add(if first { Count::Connected } else { Count::Reconnected });
                }
                self.state = state;
            }
            Told::Error { code, will_retry } => {
                tally.trouble(&code);
                if will_retry == Some(false) {
                    behaviour(format!("gave up: {code}"));
                }
            }
            Told::Thrown { what } => behaviour(format!("threw {what}")),
        }
    }
}

async fn write(input: &mut ChildStdin, command: &Value) -> Result<()> {
    input.write_all(format!("{command}\n").as_bytes()).await.context("the browser accepts no more commands")
}
