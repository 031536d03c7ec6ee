//! What happens to a stream's bytes between upstream and client: unpacked from the vendor's framing, watched, translated or
//! left as they are, packed for the client.

use bytes::Bytes;

use super::signatures::{Seal, Sealed};
use crate::dialect::chat::usage_chunk::UsageChunkFilter;
use crate::dialect::convert::{self, DecodeStream, EncodeStream, Reply};
use crate::dialect::form::Event;
use crate::dialect::model_name::ModelRewriter;
use crate::dialect::tap::Tap;
use crate::dialect::wire::{self, KeptFrames, Repack, WireError};
use crate::dialect::{Dialect, Surface, Wire};

/// The way of one stream.
pub struct Pipe {
    /// What was seen so far, held chunks included.
    pub tap: Box<dyn Tap>,
    upstream: Dialect,
    /// Seals of tool calls that have passed, not yet taken.
    seals: Vec<(String, Seal)>,
    unpack: Option<Box<dyn Repack>>,
    /// Client and upstream use the same framing: the client gets the bytes as they came.
    raw: bool,
    /// Binary frames that go to the client as they came.
    frames: Option<KeptFrames>,
    change: Change,
    pack: Option<Box<dyn Repack>>,
}

enum Change {
    /// The same dialect.
    None,
    /// The same dialect, with the requested model's name written back.
    Rename(ModelRewriter),
    /// The same dialect, without the chunk that only we asked for.
    HideUsage(UsageChunkFilter, Option<ModelRewriter>),
    /// Another dialect.
    Translate(Box<dyn DecodeStream>, Box<dyn EncodeStream>, Sealed),
}

/// What a pipe is made for.
pub struct Plan {
    /// What the upstream speaks.
    pub upstream: Surface,
    /// What the client speaks.
    pub client: Surface,
    /// The name to write back, when the account's map changed it.
    pub renamed: Option<String>,
    /// The usage chunk was only asked for by us.
    pub hide_usage: bool,
    /// What a translated answer says of itself.
    pub reply: Reply,
}

impl Pipe {
    /// A pipe at the start of a stream; `None` when there is no way between the two.
    pub fn new(plan: Plan) -> Option<Self> {
        let Plan { upstream, client, renamed, hide_usage, reply } = plan;
        let same = upstream.dialect == client.dialect;
        let rename = |requested: String| ModelRewriter::new(upstream.dialect, &requested);
        let change = if !same {
            let (decoder, encoder) = (convert::decoder(upstream.dialect)?, convert::encoder(client.dialect, reply)?);
            Change::Translate(decoder, encoder, Sealed::default())
        } else if hide_usage {
            Change::HideUsage(UsageChunkFilter::new(), renamed.map(rename))
        } else {
            renamed.map_or(Change::None, |requested| Change::Rename(rename(requested)))
        };
        let raw = upstream == client && matches!(change, Change::None);
        Some(Self {
            tap: crate::dialect::tap(upstream.dialect),
            upstream: upstream.dialect,
            seals: Vec::new(),
            unpack: wire::unpacker(upstream),
            raw,
            frames: (raw && client.wire == Wire::Bedrock).then(KeptFrames::default),
            change,
            pack: if raw { None } else { wire::packer(client) },
        })
    }

    /// Takes what came from the upstream; returns what to keep for the client.
    ///
    /// # Errors
    /// When the framing is damaged.
    pub fn arrive(&mut self, chunk: Bytes) -> Result<Bytes, WireError> {
        let Some(unpack) = &mut self.unpack else {
            self.tap.feed(&chunk);
            return Ok(chunk);
        };
        let mut plain = Vec::with_capacity(chunk.len());
        let unpacked = unpack.feed(&chunk, &mut plain);
        self.tap.feed(&plain);
        unpacked?;
        Ok(if self.raw { chunk } else { Bytes::from(plain) })
    }

    /// Turns kept bytes into the client's; may be empty.
    pub fn leave(&mut self, kept: Bytes) -> Bytes {
        let changed = match &mut self.change {
            Change::None => match &mut self.frames {
                Some(frames) => frames.feed(kept),
                None => kept,
            },
            Change::Rename(rewriter) => rewriter.feed(kept),
            Change::HideUsage(filter, rewriter) => {
                let mut out = Vec::with_capacity(kept.len());
                filter.feed(&kept, &mut out);
                let out = Bytes::from(out);
                rewriter.as_mut().map_or_else(|| out.clone(), |rewriter| rewriter.feed(out.clone()))
            }
            Change::Translate(decoder, encoder, sealed) => {
                let mut events = Vec::new();
                decoder.feed(&kept, &mut events);
                self.seals.extend(sealed.all(decoder.as_mut(), &events));
                encoded(encoder.as_mut(), &events)
            }
        };
        self.packed(changed, false)
    }

    /// The upstream's body is over: what the client still gets.
    pub fn end(&mut self) -> Bytes {
        let rest = match &mut self.change {
            Change::None => Bytes::new(),
            Change::Rename(rewriter) => rewriter.finish(),
            Change::HideUsage(filter, rewriter) => {
                let mut out = Vec::new();
                filter.end(&mut out);
                let out = Bytes::from(out);
                match rewriter {
                    None => out,
                    Some(rewriter) => [rewriter.feed(out), rewriter.finish()].concat().into(),
                }
            }
            Change::Translate(decoder, encoder, sealed) => {
                let mut events = Vec::new();
                decoder.end(&mut events);
                self.seals.extend(sealed.all(decoder.as_mut(), &events));
                encoded(encoder.as_mut(), &events)
            }
        };
        self.packed(rest, true)
    }

    /// What the upstream speaks.
    pub fn upstream(&self) -> Dialect {
        self.upstream
    }

    /// Takes the seals of tool calls that have passed.
    pub fn take_seals(&mut self) -> Vec<(String, Seal)> {
        std::mem::take(&mut self.seals)
    }

    /// True when the upstream's dialect has an event that ends an answer; Gemini's answers just end.
    pub fn has_terminal_event(&self) -> bool {
        self.upstream != Dialect::Gemini
    }

    /// True when an event of our own may be written now.
    pub fn at_boundary(&self) -> bool {
        match &self.change {
            Change::None => self.tap.at_event_boundary(),
            Change::Rename(_) | Change::HideUsage(..) => false,
            Change::Translate(..) => true,
        }
    }

    /// A stream that breaks here shows nothing more; an event that was begun must be closed first. Packed streams end with
    /// what is whole.
    pub fn is_framed(&self) -> bool {
        !matches!(self.change, Change::Translate(..)) && self.pack.is_none() && self.frames.is_none()
    }

    fn packed(&mut self, bytes: Bytes, last: bool) -> Bytes {
        let Some(pack) = &mut self.pack else { return bytes };
        let mut out = Vec::with_capacity(bytes.len() * 2);
        let fed = pack.feed(&bytes, &mut out).and_then(|()| if last { pack.end(&mut out) } else { Ok(()) });
        if fed.is_err() {
            tracing::error!("an answer could not be packed for the client");
        }
        Bytes::from(out)
    }
}

fn encoded(encoder: &mut dyn EncodeStream, events: &[Event]) -> Bytes {
    let mut out = Vec::new();
    for event in events {
        encoder.write(event, &mut out);
    }
    Bytes::from(out)
}
