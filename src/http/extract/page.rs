//! Paging parameters: numbered pages for things, cursors for append-only data.

use serde::Deserialize;

use crate::http::envelope::Page;
use crate::http::error::ApiError;

/// `page` and `page_size` of a list.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// From 1.
    #[serde(default)]
    pub page: Option<u32>,
    /// 1 to 100, 20 when absent.
    #[serde(default)]
    pub page_size: Option<u32>,
}

impl PageQuery {
    /// The rows to read.
    pub fn rows(&self) -> Result<crate::store::Page, ApiError> {
        let (page, size) = self.checked()?;
        Ok(crate::store::Page { offset: i64::from(page - 1) * i64::from(size), limit: i64::from(size) })
    }

    /// The answer of a list.
    pub fn answer<T>(&self, items: Vec<T>, total: i64) -> Result<Page<T>, ApiError> {
        let (page, page_size) = self.checked()?;
        Ok(Page { items, total: u64::try_from(total).unwrap_or(0), page, page_size })
    }

    /// The page and its size, checked.
    pub fn checked(&self) -> Result<(u32, u32), ApiError> {
        let page = self.page.unwrap_or(1);
        let size = self.page_size.unwrap_or(20);
        if page == 0 {
            return Err(ApiError::invalid("page", "must be at least 1"));
        }
        if !(1..=100).contains(&size) {
            return Err(ApiError::invalid("page_size", "must be from 1 to 100"));
        }
        Ok((page, size))
    }
}

/// `limit` and `cursor` of append-only data.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Cursor {
    /// 1 to 1000, 50 when absent.
    #[serde(default)]
    pub limit: Option<u32>,
    /// `next_cursor` of the stretch before.
    #[serde(default)]
    pub cursor: Option<String>,
}

impl Cursor {
    /// The limit, checked.
    pub fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(50);
        if (1..=1_000).contains(&limit) { Ok(limit) } else { Err(ApiError::invalid("limit", "must be from 1 to 1000")) }
    }
}
