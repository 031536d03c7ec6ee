//! The success envelope `{"code":0,"message":"success","data":…}` and the forms of lists (`admin-api.md` §1).

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

/// Clients that ask for this type get the data without its envelope.
const BARE: &str = "application/vnd.quotalane.bare+json";

/// The success envelope as a schema.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Envelope<T> {
    /// Always 0.
    pub code: u8,
    /// Always `success`.
    pub message: &'static str,
    /// The answer.
    pub data: T,
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Rows in all pages.
    pub total: u64,
    /// This page, from 1.
    pub page: u32,
    /// Rows of a full page.
    pub page_size: u32,
}

/// A stretch of append-only data.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Stretch<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Where the next stretch begins; absent at the end.
    pub next_cursor: Option<String>,
}

/// An empty answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Empty {}

/// A successful answer.
#[derive(Debug)]
pub struct Data<T> {
    body: T,
    status: StatusCode,
    total: Option<u64>,
}

impl<T: Serialize> Data<T> {
    /// 200.
    pub fn ok(body: T) -> Self {
        Self { body, status: StatusCode::OK, total: None }
    }

    /// 201.
    pub fn created(body: T) -> Self {
        Self { body, status: StatusCode::CREATED, total: None }
    }

    /// 202: a job has begun.
    pub fn accepted(body: T) -> Self {
        Self { body, status: StatusCode::ACCEPTED, total: None }
    }
}

impl<T> Data<T> {
    /// The answer, to go into another one.
    pub fn into_body(self) -> T {
        self.body
    }
}

impl<T: Serialize> Data<Page<T>> {
    /// A page; the total is in a header too.
    pub fn page(page: Page<T>) -> Self {
        let total = Some(page.total);
        Self { body: page, status: StatusCode::OK, total }
    }
}

/// True when the client wants no envelope.
pub fn wants_bare(request: &HttpRequest) -> bool {
    request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|accept| accept.contains(BARE))
}

impl<T: Serialize> Responder for Data<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(total) = self.total {
            response.insert_header((HeaderName::from_static("x-total-count"), HeaderValue::from(total)));
        }
        if wants_bare(request) {
            return response.json(self.body);
        }
        response.json(Envelope { code: 0, message: "success", data: self.body })
    }
}
