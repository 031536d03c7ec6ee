//! Reads a relay request's body: bounded in size after decoding, and in time, whatever the client does.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::spill::{Growing, Spill};
use crate::relay::RelayError;

/// A body may be slow this long before its rate counts.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes per second expected after the grace time.
const LEAST_RATE: usize = 1_024;
/// The longest that a whole body may take.
const LONGEST: Duration = Duration::from_secs(120);
/// Decoded bytes produced per step.
const STEP: usize = 64 * 1024;
/// Compressed bodies above this are decoded off the worker.
const SMALL: usize = 16 * 1024;
/// So are those that unfold to more than this.
const LITTLE: usize = 256 * 1024;
/// 8 MiB, what every decoder of the format must be able to do (RFC 8878); by itself ours would take 128 MiB.
const ZSTD_WINDOW: u32 = 23;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The decoded body, at most `limit` bytes.
///
/// # Errors
/// Too large, too slow, cut, or encoded in an unknown or broken way; no room on the disk for a large one.
pub async fn read(
    headers: &HeaderMap,
    payload: web::Payload,
    limit: usize,
    spill: &Arc<Spill>,
) -> Result<Bytes, RelayError> {
    let encoding = encoding(headers)?;
    let raw = match collect(payload, declared(headers), limit, spill).await? {
        Raw::OneChunk(bytes) if encoding == Encoding::Identity => return Ok(bytes),
        Raw::Grown(grown) if encoding == Encoding::Identity => return off_the_worker(grown, into_bytes).await,
        // What unfolds a little is done before another thread would have begun.
        Raw::OneChunk(bytes) if bytes.len() <= SMALL => {
            let mut grown = Growing::new(spill, 0);
            match decode(encoding, &bytes[..], LITTLE.min(limit), &mut grown) {
                Err(RelayError::BodyTooLarge) if limit > LITTLE => Growing::holding(spill, &bytes).map_err(no_room)?,
                Err(error) => return Err(error),
                Ok(()) => return into_bytes(grown),
            }
        }
        Raw::OneChunk(bytes) => Growing::holding(spill, &bytes).map_err(no_room)?,
        Raw::Grown(grown) => grown,
    };
    let (shared, mut raw) = (Arc::clone(spill), raw);
    let decoding = spill.decode(move || {
        let mut grown = Growing::new(&shared, 0);
        decode(encoding, raw.reader().map_err(no_room)?, limit, &mut grown)?;
        drop(raw);
        into_bytes(grown)
    });
    decoding.ok_or(RelayError::Shed)?.await.map_err(|_| RelayError::Shed)?
}

/// A body as it came.
enum Raw {
    /// In one piece, as most do.
    OneChunk(Bytes),
    /// In several.
    Grown(Growing),
}

/// Whoever is refused by a full disk may come again.
fn no_room(error: std::io::Error) -> RelayError {
    tracing::warn!(%error, "a large request body cannot be kept");
    RelayError::Shed
}

fn into_bytes(grown: Growing) -> Result<Bytes, RelayError> {
    grown.into_bytes().map_err(no_room)
}

/// Touches the disk, or computes for long, where no other request waits for it.
async fn off_the_worker<T: Send + 'static>(
    grown: Growing,
    work: impl FnOnce(Growing) -> Result<T, RelayError> + Send + 'static,
) -> Result<T, RelayError> {
    web::block(move || work(grown)).await.map_err(|_| RelayError::Shed)?
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, RelayError> {
    let mut values = headers.get_all(CONTENT_ENCODING);
    let Some(value) = values.next() else { return Ok(Encoding::Identity) };
    if values.next().is_some() {
        return Err(RelayError::UnsupportedEncoding);
    }
    match value.to_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Ok("" | "identity") => Ok(Encoding::Identity),
        Ok("gzip" | "x-gzip") => Ok(Encoding::Gzip),
        Ok("deflate") => Ok(Encoding::Deflate),
        Ok("br") => Ok(Encoding::Brotli),
        Ok("zstd") => Ok(Encoding::Zstd),
        _ => Err(RelayError::UnsupportedEncoding),
    }
}

fn declared(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

async fn collect(
    mut payload: web::Payload,
    declared: usize,
    limit: usize,
    spill: &Arc<Spill>,
) -> Result<Raw, RelayError> {
    let started = Instant::now();
    let mut first = Bytes::new();
    let mut rest: Option<Growing> = None;
    loop {
        let received = rest.as_ref().map_or(first.len(), Growing::len);
        if received > limit {
            return Err(RelayError::BodyTooLarge);
        }
        let earned = Duration::from_secs((received / LEAST_RATE) as u64);
        let deadline = started + (GRACE + earned).min(LONGEST);
        let chunk = timeout_at(deadline, payload.next()).await.map_err(|_| RelayError::SlowBody)?;
        let chunk = match chunk {
            None => break,
            Some(Err(_)) => return Err(RelayError::BadRequest("the request body was cut short".to_owned())),
            Some(Ok(chunk)) => chunk,
        };
        rest = match rest {
            None if first.is_empty() => {
                first = chunk;
                None
            }
            None => {
                let mut grown = Growing::new(spill, declared.min(limit));
                grown.push(&std::mem::take(&mut first)).map_err(no_room)?;
                Some(append(grown, chunk).await?)
            }
            Some(grown) => Some(append(grown, chunk).await?),
        };
    }
    Ok(rest.map_or(Raw::OneChunk(first), Raw::Grown))
}

async fn append(mut grown: Growing, chunk: Bytes) -> Result<Growing, RelayError> {
    if grown.has_room(chunk.len()) {
        grown.push(&chunk).map_err(no_room)?;
        return Ok(grown);
    }
    let write = move |mut grown: Growing| grown.push(&chunk).map_err(no_room).map(|()| grown);
    off_the_worker(grown, write).await
}

/// Decodes in bounded steps and stops at the limit, so that a bomb never unfolds.
fn decode(encoding: Encoding, raw: impl Read, limit: usize, decoded: &mut Growing) -> Result<(), RelayError> {
    let broken = || RelayError::BadRequest("the request body cannot be decoded".to_owned());
    let mut raw = BufReader::new(raw);
    let mut reader: Box<dyn Read + '_> = match encoding {
        Encoding::Identity => Box::new(raw),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Encoding::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(raw)),
        // An extension of the format with windows of up to 1 GiB, which no client of ours speaks.
        Encoding::Brotli if raw.fill_buf().is_ok_and(|head| head.first().is_some_and(|b| b & 0x7f == 0x11)) => {
            return Err(broken());
        }
        Encoding::Brotli => Box::new(brotli::Decompressor::new(raw, STEP)),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(|_| broken())?;
            decoder.window_log_max(ZSTD_WINDOW).map_err(|_| broken())?;
            Box::new(decoder)
        }
    };
    let mut step = vec![0; STEP];
    loop {
        let count = reader.read(&mut step).map_err(|_| broken())?;
        if count == 0 {
            return Ok(());
        }
        if decoded.len() + count > limit {
            return Err(RelayError::BodyTooLarge);
        }
        decoded.push(step.get(..count).unwrap_or_default()).map_err(no_room)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::FromRequest as _;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn spill() -> (tempfile::TempDir, Arc<Spill>) {
        let dir = tempfile::tempdir().unwrap();
        let spill = Arc::new(Spill::new(dir.path().to_owned()));
        (dir, spill)
    }

    fn decoded(encoding: Encoding, raw: &[u8], limit: usize) -> Result<Bytes, RelayError> {
        let (_dir, spill) = spill();
        let mut grown = Growing::new(&spill, 0);
        decode(encoding, raw, limit, &mut grown)?;
        into_bytes(grown)
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(data: &[u8], large_window: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { large_window, quality: 5, lgwin: 20, ..Default::default() };
        brotli::BrotliCompress(&mut &data[..], &mut out, &params).unwrap();
        out
    }

    #[test]
    fn bodies_are_decoded_whatever_their_encoding() {
        let text = b"{\"model\":\"claude\"}".repeat(500);
        for (encoding, raw) in [
            (Encoding::Gzip, gzip(&text)),
            (Encoding::Deflate, deflate(&text)),
            (Encoding::Brotli, brotli(&text, false)),
            (Encoding::Zstd, zstd::encode_all(&text[..], 3).unwrap()),
        ] {
            assert_eq!(decoded(encoding, &raw, 1 << 20).unwrap(), text, "{encoding:?}");
            let cut = decoded(encoding, &raw[..raw.len() / 2], 1 << 20);
            assert!(matches!(cut, Err(RelayError::BadRequest(_))), "{encoding:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 32 << 20]);
        assert!(bomb.len() < 64 * 1024);
        assert_eq!(decoded(Encoding::Gzip, &bomb, 1 << 20), Err(RelayError::BodyTooLarge));
        assert!(matches!(decoded(Encoding::Gzip, b"\x1f\x8bxx", 1 << 20), Err(RelayError::BadRequest(_))));
    }

    #[test]
    fn windows_that_would_cost_more_than_the_body_are_refused() {
        let text = b"0123456789".repeat(1_000_000);
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&text).unwrap();
        let wide = encoder.finish().unwrap();
        assert!(matches!(decoded(Encoding::Zstd, &wide, 32 << 20), Err(RelayError::BadRequest(_))));
        let wide = brotli(&text, true);
        assert!(matches!(decoded(Encoding::Brotli, &wide, 32 << 20), Err(RelayError::BadRequest(_))));
    }

    /// A body whose chunks come at these moments, in seconds.
    async fn coming(chunks: Vec<(u64, usize)>) -> web::Payload {
        let started = Instant::now();
        let stream = futures_util::stream::iter(chunks).then(move |(at, size)| async move {
            tokio::time::sleep_until(started + Duration::from_secs(at)).await;
            Ok::<_, actix_web::error::PayloadError>(Bytes::from(vec![b'x'; size]))
        });
        let boxed: actix_http::BoxedPayloadStream = Box::pin(stream);
        let request = actix_web::test::TestRequest::default().to_http_request();
        web::Payload::from_request(&request, &mut boxed.into()).await.unwrap()
    }

    #[actix_web::test]
    async fn a_slow_body_is_cut_and_a_steady_one_is_not() {
        let (_dir, spill) = spill();
        tokio::time::pause();
        let read = async |chunks| {
            let begun = Instant::now();
            let body = super::read(&HeaderMap::new(), coming(chunks).await, 8 << 20, &spill).await;
            (body.map(|body| body.len()), begun.elapsed().as_secs())
        };
        let dripping = (0..100).map(|second| (second, 1)).collect();
        assert_eq!(read(dripping).await, (Err(RelayError::SlowBody), 10));
        let steady: Vec<(u64, usize)> = (0..60).map(|second| (second, 2_048)).collect();
        assert_eq!(read(steady).await, (Ok(60 * 2_048), 59));
        let endless = (0..300).map(|second| (second, 10_000)).collect();
        assert_eq!(read(endless).await, (Err(RelayError::SlowBody), 120));
    }
}
