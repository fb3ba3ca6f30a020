//! How a frame changes a topic's picture: what is older than what, phases, items. [rules §2.13]

use alloc::string::String;

use super::redact::{MAX_TEXT, beginning};
use super::topics::Topic;
use crate::config::Service;
use crate::dialect::{End, Update};
use crate::envelope::{Envelope, Kind, Numbers, Stage, Stages, Verdict};
use crate::snapshot::{Item, Phase, Snapshot};

/// Something with a longer id is no item of a picture.
const MAX_ID: usize = 256;

/// When the service made the newest frame of one kind about one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    kind: Kind,
    item: u32,
    at: f64,
    sequence: f64,
}

/// A fingerprint of an item's id; two items that share one only share a bound on their age.
pub(super) fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What [`Topic::apply`] found, besides the verdict.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Flags of the verdict.
    pub flags: u32,
    /// Stages that were done but never told.
    pub late: Stages,
}

impl Topic {
    /// Applies a frame to the picture.
    pub(super) fn apply(
        &mut self,
        service: Service,
        update: &Update,
        envelope: &Envelope<'_>,
        full: f64,
        max_items: usize,
    ) -> Learned {
        let mut learned = Learned { flags: Verdict::DELIVER, late: Stages::default() };
        self.repeat = None;
        let progress = envelope.progress.map(|raw| {
            let share = raw / full;
            if share.is_finite() && (0.0..=1.0).contains(&share) {
                return share;
            }
            learned.flags |= Verdict::CLAMPED;
            if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
        });
        let item_id = update.item.map(|kind| envelope.item.unwrap_or(kind));
        let kept = item_id.filter(|id| id.len() <= MAX_ID);
        let newer =
            match self.age(envelope.kind, item_id.map_or(0, fingerprint), &envelope.numbers(), max_items) {
                Age::Older => {
                    learned.flags |= Verdict::OUTDATED;
                    return learned;
                }
                Age::Newer => true,
                Age::Unknown => false,
            };
        // Things of two kinds may have one id.
        let (current, subject) = match (update.item.zip(item_id), update.whole) {
            (Some((kind, id)), false) => {
                let phase = self.item(kind, id).map_or(Phase::Waiting, |item| item.phase);
                (phase, fingerprint(id).rotate_left(1) ^ fingerprint(kind))
            }
            _ => (self.snapshot.phase, 0),
        };
        let ranked = self.ranked.contains(&subject);
        if let Some(phase) = update.phase
            && phase.rank() < current.rank()
            && ranked
            && !(newer || update.restarts || self.restarts)
        {
            learned.flags |= Verdict::OUTDATED;
            return learned;
        }
        if update.phase.is_some() {
            // A failure that may be retried lets the next phase begin anew.
            self.restarts = update.restarts && update.phase == Some(Phase::Failed);
            if !ranked {
                if self.ranked.len() > max_items {
                    self.ranked.remove(0);
                }
                self.ranked.push(subject);
            }
        }
        learned.flags |= Verdict::SNAPSHOT;
        if !update.stages.is_empty() {
            self.learn_stages(update, envelope, &mut learned);
        }
        if let (Some(kind), Some(id)) = (update.item, kept) {
            let phase = update.phase;
            let item = self.item_mut(id, kind, max_items);
            item.set(phase, progress, envelope);
        }
        if update.item.is_none() || update.whole {
            self.set_whole(service, update, envelope, progress);
        } else {
            self.derive_whole(service);
        }
        self.snapshot.updated(envelope.at);
        learned
    }

    /// How old a frame of this kind about this item, by its fingerprint, is beside what was seen before.
    pub(super) fn age(&mut self, kind: Kind, item: u32, numbers: &Numbers, max: usize) -> Age {
        let Some(at) = numbers.at.filter(|at| at.is_finite()) else { return Age::Unknown };
        let sequence = numbers.sequence.unwrap_or(f64::NEG_INFINITY);
        let newest = self.seen.iter().fold(f64::NEG_INFINITY, |newest, seen| newest.max(seen.at));
        if let Some(seen) = self.seen.iter_mut().find(|seen| seen.kind == kind && seen.item == item) {
            // Instants are exact: of two that are equal the later frame is newer, unless a sequence says otherwise.
            let older = at.total_cmp(&seen.at).then(sequence.total_cmp(&seen.sequence)).is_lt();
            if older {
                return Age::Older;
            }
            (seen.at, seen.sequence) = (at, sequence);
        } else {
            if self.seen.len() > max {
                self.seen.remove(0);
            }
            self.seen.push(Seen { kind, item, at, sequence });
        }
        if at > newest { Age::Newer } else { Age::Unknown }
    }

    fn item(&self, kind: &str, id: &str) -> Option<&Item> {
        self.snapshot.items.iter().find(|item| item.kind == kind && item.id == id)
    }

    fn item_mut(&mut self, id: &str, kind: &'static str, max: usize) -> &mut Item {
        let items = &mut self.snapshot.items;
        let found = items.iter().position(|item| item.kind == kind && item.id == id);
        let at = found.unwrap_or_else(|| {
            while items.len() >= max.max(1) {
                let oldest_finished = items.iter().position(|item| item.phase.is_final()).unwrap_or(0);
                items.remove(oldest_finished);
            }
            items.push(Item { id: id.into(), kind, ..Item::default() });
            items.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just above")]
        &mut items[at]
    }

    /// Stages that this frame names and nobody has told yet. [devcontext §4.3]
    #[inline(never)]
    fn learn_stages(&mut self, update: &Update, envelope: &Envelope<'_>, learned: &mut Learned) {
        let own = Stage::from_name(envelope.item.unwrap_or_default());
        for &(stage, name) in Stage::ALL {
            if !update.stages.has(stage) || self.stages.has(stage) {
                continue;
            }
            self.stages.add(stage);
            if !(stage == own && envelope.kind == Kind::StageCompleted) {
                learned.late.add(stage);
            }
            let item = self.item_mut(name, "stage", Stage::ALL.len());
            item.phase = Phase::Done;
            item.progress = Some(1.0);
            item.updated_at = envelope.at;
        }
    }

    fn set_whole(
        &mut self,
        service: Service,
        update: &Update,
        envelope: &Envelope<'_>,
        progress: Option<f64>,
    ) {
        let snapshot = &mut self.snapshot;
        let changed = update.phase.is_some_and(|phase| phase != snapshot.phase);
        if let Some(phase) = update.phase {
            snapshot.phase = phase;
        }
        if progress.is_some() {
            snapshot.progress = progress;
        } else if snapshot.phase == Phase::Done {
            snapshot.progress = Some(1.0);
        } else if changed && service == Service::Charisma && snapshot.phase != Phase::Failed {
            snapshot.progress = None;
        }
        snapshot.eta_ms = eta_ms(envelope.eta);
        if snapshot.phase.is_final() {
            snapshot.eta_ms = None;
        }
        let failed = snapshot.phase == Phase::Failed;
        let target = if failed { &mut snapshot.error } else { &mut snapshot.message };
        if let Some(text) = envelope.text {
            set_text(target, text);
        } else if failed && let Some(code) = envelope.code {
            set_text(target, code);
        }
        if !failed {
            snapshot.error = None;
        }
        // A service that says why only of the thing that failed has said it.
        if failed && snapshot.error.is_none() {
            snapshot.error = snapshot.items.iter().rev().find_map(|item| item.error.clone());
        }
        // Nothing runs on in a topic that has failed.
        if matches!(snapshot.phase, Phase::Failed | Phase::Expired) && update.end != End::No {
            for item in snapshot.items.iter_mut().filter(|item| !item.phase.is_final()) {
                item.phase = snapshot.phase;
            }
        }
        self.derive_whole(service);
    }

    /// What follows for the topic from the things it holds.
    fn derive_whole(&mut self, service: Service) {
        let items = &self.snapshot.items;
        match service {
            Service::Saga => {
                let running = items.iter().filter(|item| !item.phase.is_final());
                let least = running.min_by_key(|item| item.phase.rank());
                self.snapshot.phase = least.map_or(Phase::Waiting, |item| item.phase);
                self.snapshot.progress = least.and_then(|item| item.progress);
            }
            Service::DocProc if !self.snapshot.phase.is_final() => {
                let asked =
                    items.iter().any(|item| item.kind == "clarification" && item.phase == Phase::NeedsInput);
                self.snapshot.phase = match self.snapshot.phase {
                    Phase::Waiting | Phase::Processing if asked => Phase::NeedsInput,
                    Phase::NeedsInput if !asked => Phase::Processing,
                    phase => phase,
                };
            }
            _ => {}
        }
    }
}

/// How old a frame is beside what was seen before.
pub(super) enum Age {
    Older,
    Newer,
    Unknown,
}

impl Snapshot {
    /// The same again, with this progress.
    pub(super) fn move_on(&mut self, item: Option<usize>, share: f64, numbers: &Numbers) {
        self.progress = Some(share);
        self.eta_ms = eta_ms(numbers.eta);
        if let Some(item) = item.and_then(|at| self.items.get_mut(at)) {
            item.progress = self.progress;
            if numbers.at.is_some() {
                item.updated_at = numbers.at;
            }
        }
        self.updated(numbers.at);
    }

    fn updated(&mut self, at: Option<f64>) {
        if let Some(at) = at {
            self.updated_at = Some(self.updated_at.map_or(at, |old| old.max(at)));
        }
    }
}

fn eta_ms(eta: Option<f64>) -> Option<u64> {
    eta.filter(|eta| eta.is_finite() && *eta >= 0.0).map(|eta| eta as u64)
}

impl Item {
    fn set(&mut self, phase: Option<Phase>, progress: Option<f64>, envelope: &Envelope<'_>) {
        if let Some(phase) = phase {
            self.phase = phase;
        }
        if progress.is_some() {
            self.progress = progress;
        } else if self.phase == Phase::Done {
            self.progress = Some(1.0);
        }
        if let Some(text) = envelope.text {
            set_text(if self.phase == Phase::Failed { &mut self.error } else { &mut self.message }, text);
        }
        if envelope.at.is_some() {
            self.updated_at = envelope.at;
        }
    }
}

/// Replaces a text in the memory it has, and cuts what is too long.
fn set_text(slot: &mut Option<String>, text: &str) {
    let slot = slot.get_or_insert_with(String::new);
    // Most frames say what the one before said. Two empty ones are not compared: some C libraries look at the place of
    // nothing, which is no memory, and take as long for that as for the rest of a frame.
    if slot.len() == text.len() && (text.is_empty() || slot == text) {
        return;
    }
    slot.clear();
    let kept = beginning(text, MAX_TEXT);
    slot.push_str(kept);
    if kept.len() < text.len() {
        slot.push('…');
    }
}
