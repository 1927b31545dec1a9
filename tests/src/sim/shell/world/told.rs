//! What a page did, and what its application received. The judges look at it here.

use tidings_client::routes::Hears;

use super::{GLOBALS, World};
use crate::sim::{
    ear::Violation,
    person::is_granted,
    shell::{
        page::{Lock, Page, Request},
        protocol::{Act, Does},
        sabotage::ShellSabotage,
    },
};

impl World<'_> {
    pub(super) fn take(&mut self, tab: usize, does: Does) -> Result<(), Violation> {
        let asked = |page: &Page, id: u32| (page.id, id);
        let page = &mut self.pages[tab];
        match does {
            Does::Fetch { id, url, method, headers, body } => {
                let is_stream = headers.get("accept").is_some_and(|accept| accept == "text/event-stream");
                let stream = is_stream.then_some(false);
                page.requests.push(Request { id, url, method, headers, body, stream, answer: None });
            }
            Does::Source { id, url } => {
                let (method, headers) = ("GET".to_owned(), std::collections::BTreeMap::new());
                page.requests.push(Request { id, url, method, headers, body: None, stream: Some(true), answer: None });
            }
            Does::Abort { id } => {
                page.requests.retain(|request| request.id != id);
                page.streams.retain(|stream| stream.id != id);
            }
            Does::Timer { id, ms } => {
                // A browser's timer never fires early, and rounds fractions.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
                let ms = ms.ceil() as u64;
                let lost = self.sabotage == Some(ShellSabotage::PatientForLock) && page.was_denied;
                if !lost {
                    page.timers.insert(id, self.now + page.ahead_ms + ms);
                }
            }
            Does::Clear { id } => drop(page.timers.remove(&id)),
            Does::Task { id } => page.tasks.push_back(id),
            Does::Import { id } if page.is_used => page.scripts.push_back(id),
            Does::Import { .. } => {
                return Err(Violation::new("the engine is loaded when it is used", format!("tab {tab}")));
            }
            Does::Lock { id, name, mode, if_available, steal } => {
                let asked = asked(page, id);
                self.tally.steals += u64::from(steal);
                page.locks.insert(id, Lock { name: name.clone(), is_its_own: !steal && !if_available });
                self.browser(tab).request(asked, name, mode, if_available, steal);
            }
            Does::Unlock { id } => {
                page.locks.remove(&id);
                let asked = asked(page, id);
                self.browser(tab).release(asked);
            }
            Does::Query { id } => {
                let asked = asked(page, id);
                self.browser(tab).query(asked);
            }
            Does::Channel { id, name } => {
                page.channels.insert(id, name.clone());
                let asked = asked(page, id);
                self.browser(tab).open_channel(asked, name);
            }
            Does::CloseChannel { id } => {
                page.channels.remove(&id);
                let asked = asked(page, id);
                self.browser(tab).close_channel(asked);
            }
            Does::Post { id, data } => {
                let asked = asked(page, id);
                self.tally.posts += 1;
                self.browser(tab).post(asked, &data);
            }
            does => return self.told(tab, does),
        }
        Ok(())
    }

    /// A report to the application, or an action of it.
    fn told(&mut self, tab: usize, does: Does) -> Result<(), Violation> {
        let log = self.log.clone();
        let log = log.lock();
        let page = &mut self.pages[tab];
        match does {
            Does::Identity { session_id } => page.listener.session = session_id,
            Does::Event { handler, cursor, n, p } => {
                let place = usize::try_from(n).ok().and_then(|n| log.truth.numbered(n));
                let stored = place.map(|place| log.truth.get(place));
                let entry = stored.and_then(|stored| stored.entry.as_deref());
                let text = entry.and_then(|entry| serde_json::from_str::<(usize, String)>(entry.payload.get()).ok());
                if stored.is_none_or(|stored| stored.at.to_string() != cursor) || text.is_none_or(|(_, text)| text != p)
                {
                    return Err(Violation::new("what was published is what arrives", format!("{cursor} {n} {p:?}")));
                }
                self.tally.heard += 1;
                let (Some(place), Some(handler)) = (place, page.handlers.get_mut(&handler)) else { return Ok(()) };
                handler.hear(&log.truth, place)?;
            }
            Does::Ready { handler } => {
                if let Some(handler) = page.handlers.get_mut(&handler) {
                    if !is_granted(&handler.pattern) && handler.hears == Hears::Channels {
                        return Err(Violation::new("what is not granted is refused", handler.pattern.to_string()));
                    }
                    handler.ready(log.tip());
                }
            }
            Does::NotReady { handler, ref code } | Does::Revoked { handler, ref code } => {
                let is_revoked = matches!(does, Does::Revoked { .. });
                let Some(handler) = page.handlers.get_mut(&handler) else { return Ok(()) };
                let is_granted = is_granted(&handler.pattern) || handler.hears == Hears::Addressed;
                let may_be_refused = self.was_refused || log.was_revoked(handler.listener.user, &handler.pattern);
                handler.is_put_off |= may_be_refused;
                handler.is_revoked |= is_revoked;
                if is_granted && !handler.is_gone && page.final_error.is_none() && !may_be_refused {
                    let detail = format!("{}: {code}", handler.pattern);
                    return Err(Violation::new("what is granted is not refused", detail));
                }
                // A handler that waits when the client gives up is subscribed again after `connect()`.
                handler.is_refused |= !is_granted;
            }
            Does::HandlerGap { handler, reason } => {
                self.may_gap(tab, &reason)?;
                let page = &mut self.pages[tab];
                if let Some(handler) = page.handlers.get_mut(&handler) {
                    let needed = handler.gap(&log.truth, log.tip());
                    handler.is_owed_gap &= reason != "malformed";
                    self.tally.gap(&reason, needed);
                }
            }
            Does::Gap { reason, addressed } => {
                self.may_gap(tab, &reason)?;
                let page = &mut self.pages[tab];
                let hearers = page.handlers.values_mut().filter(|one| addressed && one.hears == Hears::Addressed);
                for handler in hearers {
                    let needed = handler.gap(&log.truth, log.tip());
                    self.tally.gap(&reason, needed);
                }
            }
            Does::State { state, code } => {
                // A report describes the state from here on.
                if state == "closed" && !page.is_off {
                    page.final_error = page.final_error.take().or(code);
                }
                page.state = state;
            }
            Does::Error { code, will_retry, .. } => {
                page.was_broken |= code == "internal";
                if code == "internal" {
                    // A new instance goes on after each handler's cursor, also for a handler that was refused since.
                    page.handlers.values_mut().for_each(|handler| handler.is_revoked = false);
                }
                if !will_retry && page.state == "closed" {
                    page.final_error = Some(code);
                }
            }
            Does::Acts { act } => match act {
                Act::Throw => self.tally.fault("handler threw"),
                Act::Disconnect => page.is_off = true,
                Act::Connect => (page.is_used, page.is_off, page.final_error) = (true, false, None),
                Act::Stop | Act::Reset => {}
            },
            Does::Stopped { handler } => {
                if let Some(handler) = page.handlers.get_mut(&handler) {
                    handler.is_gone = true;
                }
            }
            Does::Reset => {
                page.handlers.values_mut().for_each(|handler| handler.is_gone = true);
                (page.is_used, page.is_off, page.final_error) = (false, false, None);
            }
            Does::Thrown { what } => {
                let kinds = GLOBALS.iter().find(|one| **one == what);
                self.tally.fault(kinds.copied().unwrap_or("something threw"));
            }
            Does::Threw { what, text } => {
                return Err(Violation::new("nothing is thrown at its caller", format!("{what}: {text}")));
            }
            Does::Uncaught { text } => return Err(Violation::new("nothing is thrown that nobody catches", text)),
            Does::Log => {}
            does => panic!("the host does not work: {does:?}"),
        }
        Ok(())
    }

    fn may_gap(&self, tab: usize, reason: &str) -> Result<(), Violation> {
        let page = &self.pages[tab];
        let justified = match reason {
            "internal" => page.was_broken,
            "malformed" => page.handlers.values().any(|handler| handler.is_owed_gap),
            "refused" => self.was_refused || self.has_revoked,
            "trimmed" => self.has_trimmed,
            "diverged" | "epoch" => self.has_lost,
            _ => false,
        };
        if justified { Ok(()) } else { Err(Violation::new("a gap only where a fault could cause one", reason)) }
    }
}
