//! Lists as CSV (`admin-api.md` §1): streamed page by page, without a row cap.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;

use super::error::ApiError;

/// One line. A text that a spreadsheet would take for a formula gets a `'` in front; numbers stay numbers.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = cells.into_iter().map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A file of a head line and pages of lines. `page` gives the page behind a position, and the next position.
pub fn file<S, F, R>(name: &'static str, head: &[&str], start: S, page: F) -> HttpResponse
where
    S: 'static,
    F: Fn(S) -> R + 'static,
    R: Future<Output = Result<Option<(String, S)>, ApiError>> + 'static,
{
    let head = Bytes::from(line(head.iter().copied()));
    let disposition = HeaderValue::from_static(name);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .streaming(pages(head, start, page))
}

fn pages<S, F, R>(head: Bytes, start: S, page: F) -> impl Stream<Item = Result<Bytes, ApiError>>
where
    F: Fn(S) -> R,
    R: Future<Output = Result<Option<(String, S)>, ApiError>>,
{
    unfold((Some(head), Some(start), page), async |(head, position, page)| {
        if let Some(head) = head {
            return Some((Ok(head), (None, position, page)));
        }
        match page(position?).await {
            Ok(Some((lines, next))) => Some((Ok(Bytes::from(lines)), (None, Some(next), page))),
            Ok(None) => None,
            // The file breaks off: half a list must not look like a whole one.
            Err(error) => Some((Err(error), (None, None, page))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_disarmed() {
        assert_eq!(
            line(["a", "b,c", "say \"x\"", "=1+1", "-5", "-x", "@a", ""]),
            "a,\"b,c\",\"say \"\"x\"\"\",'=1+1,-5,'-x,'@a,\r\n"
        );
    }
}
