//! Reads a relay request's body: bounded in size after decoding, and in time, whatever the client does.

use std::io::Read;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::relay::RelayError;

/// A body may be slow this long before its rate counts.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes per second expected after the grace time.
const LEAST_RATE: usize = 1_024;
/// The longest that a whole body may take.
const LONGEST: Duration = Duration::from_secs(120);
/// Decoded bytes produced per step.
const STEP: usize = 64 * 1024;
/// Room made at once for a body that says how long it is; a longer one grows as its bytes come.
const ROOM: usize = 1024 * 1024;
/// Compressed bodies above this are decoded off the worker.
const SMALL: usize = 16 * 1024;

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
/// Too large, too slow, cut, or encoded in an unknown or broken way.
pub async fn read(headers: &HeaderMap, payload: web::Payload, limit: usize) -> Result<Bytes, RelayError> {
    let encoding = encoding(headers)?;
    let raw = collect(payload, declared(headers), limit).await?;
    match encoding {
        Encoding::Identity => Ok(raw),
        _ if raw.len() <= SMALL => decode(encoding, &raw, limit),
        _ => web::block(move || decode(encoding, &raw, limit)).await.map_err(|_| RelayError::Shed)?,
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, RelayError> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
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

async fn collect(mut payload: web::Payload, declared: usize, limit: usize) -> Result<Bytes, RelayError> {
    let started = Instant::now();
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let received = rest.len() + first.as_ref().map_or(0, Bytes::len);
        if received > limit {
            return Err(RelayError::BodyTooLarge);
        }
        let earned = Duration::from_secs((received / LEAST_RATE) as u64);
        let deadline = started + (GRACE + earned).min(LONGEST);
        let chunk = timeout_at(deadline, payload.next()).await.map_err(|_| RelayError::SlowBody)?;
        match chunk {
            None => break,
            Some(Err(_)) => return Err(RelayError::BadRequest("the request body was cut short".to_owned())),
            Some(Ok(chunk)) if first.is_none() => first = Some(chunk),
            Some(Ok(chunk)) => {
                if let Some(first) = first.replace(Bytes::new()).filter(|bytes| !bytes.is_empty()) {
                    rest.reserve(declared.min(ROOM));
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

/// Decodes in bounded steps and stops at the limit, so that a bomb never unfolds.
fn decode(encoding: Encoding, raw: &[u8], limit: usize) -> Result<Bytes, RelayError> {
    let broken = || RelayError::BadRequest("the request body cannot be decoded".to_owned());
    let mut reader: Box<dyn Read + '_> = match encoding {
        Encoding::Identity => Box::new(raw),
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(raw)),
        Encoding::Deflate => Box::new(flate2::read::ZlibDecoder::new(raw)),
        Encoding::Brotli => Box::new(brotli::Decompressor::new(raw, STEP)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(raw).map_err(|_| broken())?),
    };
    let mut decoded = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let count = reader.read(&mut step).map_err(|_| broken())?;
        if count == 0 {
            return Ok(Bytes::from(decoded));
        }
        if decoded.len() + count > limit {
            return Err(RelayError::BodyTooLarge);
        }
        decoded.extend_from_slice(step.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bodies_are_decoded_whatever_their_encoding() {
        let text = b"{\"model\":\"claude\"}".repeat(500);
        let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(&text).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20).write_all(&text).unwrap();
        for (encoding, raw) in [
            (Encoding::Gzip, gzip(&text)),
            (Encoding::Deflate, deflate.finish().unwrap()),
            (Encoding::Brotli, brotli),
            (Encoding::Zstd, zstd::encode_all(&text[..], 3).unwrap()),
        ] {
            assert_eq!(decode(encoding, &raw, 1 << 20).unwrap(), text, "{encoding:?}");
            assert!(matches!(decode(encoding, &raw[..raw.len() / 2], 1 << 20), Err(RelayError::BadRequest(_))));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 32 << 20]);
        assert!(bomb.len() < 64 * 1024);
        assert_eq!(decode(Encoding::Gzip, &bomb, 1 << 20), Err(RelayError::BodyTooLarge));
        assert!(matches!(decode(Encoding::Gzip, b"\x1f\x8bxx", 1 << 20), Err(RelayError::BadRequest(_))));
    }
}
