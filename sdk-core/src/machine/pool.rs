//! Several links, one for each topic: as many as are wanted and allowed, and one that tries first. [rules §2.3]

use alloc::boxed::Box;

use super::Machine;
use super::link::{Link, Rest};
use crate::io::{CloseReason, Output};

/// How many connections may be on their way at the same time. [rules §2.3]
const HANDSHAKES: usize = 20;

impl Machine {
    /// One link for each desired topic, as many as are allowed at once.
    pub(super) fn sync_pool(&mut self) {
        while let Some(stale) = self.links.first(|_, link| {
            let topic = link.topic.as_ref().and_then(|topic| self.topics.get(topic));
            let wanted = topic.is_some_and(|topic| topic.desired() || (topic.keep && topic.handles > 0));
            !wanted && link.close_at.is_none()
        }) {
            self.drop_link(stale, CloseReason::Done);
        }
        if self.closed {
            return;
        }
        let bounded = !self.faults_planted.is(super::Faults::POOL_WITHOUT_BOUND);
        while !bounded || self.links.len() < self.config.limits.connections {
            let mut missing: Option<(&str, u64)> = None;
            for (name, topic) in self.topics.iter() {
                let serves = |link: &Link| link.topic.as_ref() == Some(name) && link.close_at.is_none();
                if topic.desired()
                    && missing.is_none_or(|(_, order)| topic.order < order)
                    && !self.links.values().any(|link| serves(link))
                {
                    missing = Some((name, topic.order));
                }
            }
            let Some((topic, _)) = missing else { return };
            let topic = topic.into();
            let id = self.next_link;
            self.next_link += 1;
            self.links.insert(id, Box::new(Link { topic: Some(topic), ..Link::default() }));
        }
    }

    pub(super) fn drop_link(&mut self, id: u32, reason: CloseReason) {
        let Some(mut link) = self.links.remove(&id) else { return };
        for conn in link.take_all() {
            if conn.has_socket() {
                self.out.push_back(Output::Close(conn.socket, reason));
                if self.faults_planted.is(super::Faults::CLOSE_TWICE) {
                    self.out.push_back(Output::Close(conn.socket, reason));
                }
            }
            self.bury(conn, false);
        }
        self.pass_scout(id);
        self.dirty = true;
    }

    pub(super) fn close_links(&mut self) {
        for id in self.link_ids() {
            self.drop_link(id, CloseReason::Done);
        }
    }

    /// While no link is Ready, one tries first. [rules §2.3]
    pub(super) fn elect_scout(&mut self, id: u32) {
        if !self.profile.per_topic || self.any_ready() {
            self.scout = None;
        } else {
            self.scout.get_or_insert(id);
        }
    }

    /// Whether one more connection may be on its way. [rules §2.3]
    pub(super) fn has_room(&self) -> bool {
        let shakes = |link: &Link| link.live.iter().chain(&link.next).any(|conn| !conn.is_ready());
        !self.profile.per_topic || self.links.values().filter(|link| shakes(link)).count() < HANDSHAKES
    }

    /// Whether this link must leave the first attempt to another, or enough others are at it.
    pub(super) fn is_held_back(&self, id: u32) -> bool {
        if !self.has_room() {
            return true;
        }
        self.scout.is_some_and(|scout| scout != id && self.links.contains_key(&scout)) && !self.any_ready()
    }

    /// The scout is gone: the next that waits takes its place and its count.
    pub(super) fn pass_scout(&mut self, id: u32) {
        if self.scout != Some(id) {
            return;
        }
        self.scout = None;
        let failures = self.links.get(&id).map_or(0, |link| link.backoff.failures);
        let waits = |other: u32, link: &Link| other != id && matches!(link.rest, Rest::Waiting { .. });
        // Each in its turn, so that one that can't be reached does not keep the others from trying.
        let next = self.links.first(|other, link| *other > id && waits(*other, link));
        let next = next.or_else(|| self.links.first(|other, link| waits(*other, link)));
        if let Some(next) = next
            && let Some(link) = self.links.get_mut(&next)
        {
            link.backoff.failures = link.backoff.failures.max(failures);
            self.scout = Some(next);
        }
    }

    /// The scout has failed and waits: nobody tries before it would have, and then it is another's turn. [rules §2.3]
    pub(super) fn scout_failed(&mut self, id: u32) {
        let Some(Rest::Waiting { until: turn, why: said, .. }) =
            self.links.get(&id).map(|link| link.rest.clone())
        else {
            return;
        };
        let now = self.now;
        for link in self.links.values_mut() {
            if link.live.is_some() {
                continue;
            }
            if link.rest == Rest::Idle {
                link.rest =
                    Rest::Waiting { until: 0, shown: 0, not_before: 0, force: false, why: said.clone() };
            }
            if let Rest::Waiting { until, shown, .. } = &mut link.rest
                && *until < turn
            {
                *until = turn;
                *shown = now.unix_at(turn);
            }
        }
        self.pass_scout(id);
    }

    /// A link is Ready: those that waited for the network follow it.
    pub(super) fn pool_follows(&mut self, id: u32) {
        if !self.profile.per_topic {
            return;
        }
        let was_scout = self.scout.take().is_some();
        let now = self.now;
        for (other, link) in self.links.iter_mut() {
            if *other != id
                && was_scout
                && let Rest::Waiting { until, shown, not_before, .. } = &mut link.rest
            {
                *until = now.mono.max(*not_before);
                *shown = now.unix_at(*until);
            }
        }
    }
}
