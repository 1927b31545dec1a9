//! The process that contains the pages.

use std::{
    io::{BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio},
};

use super::protocol::{Addressed, Effect};

/// One Node process, for any number of schedules.
pub(super) struct Host {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    buffer: Vec<u8>,
    /// A hash of all messages in both directions: two runs of a schedule that differ anywhere differ in it.
    pub(super) trace: u64,
}

impl Host {
    pub(super) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("shell/host.mjs");
        let mut child = Process::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node, 20 or newer, starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Self { child, input, output: BufReader::new(output), buffer: Vec::new(), trace: 0 }
    }

    /// Carries out a command. Returns its effects.
    pub(super) fn carry_out(&mut self, command: &Addressed<'_>) -> Vec<Effect> {
        self.buffer.clear();
        self.buffer.extend([0; 4]);
        serde_json::to_writer(&mut self.buffer, &[command]).expect("commands are plain data");
        let length = u32::try_from(self.buffer.len() - 4).expect("commands are short");
        self.buffer[..4].copy_from_slice(&length.to_le_bytes());
        self.note();
        let input = self.input.as_mut().expect("it runs");
        input.write_all(&self.buffer).expect("the host reads; what it died of it has said");
        let mut head = [0; 4];
        self.output.read_exact(&mut head).expect("the host answers; what it died of it has said");
        self.buffer.resize(u32::from_le_bytes(head) as usize, 0);
        self.output.read_exact(&mut self.buffer).expect("the whole of an answer");
        self.note();
        serde_json::from_slice(&self.buffer)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.buffer)))
    }

    /// FNV-1a.
    fn note(&mut self) {
        self.trace = self.buffer.iter().fold(self.trace ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The process ends when its input is closed.
        self.input = None;
        let _ = self.child.wait();
    }
}
