//! A connection as the HTTP client sees it: proxied, encrypted, and honest about early ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::trace;

/// What TLS to the upstream runs in: TCP, or TLS to an `https` proxy.
#[derive(Debug)]
pub(super) enum Base {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug)]
enum Layer {
    Plain(Base),
    Tls(Box<TlsStream<Base>>),
}

/// The connection.
#[derive(Debug)]
pub(super) struct Wire {
    layer: Layer,
    write_broken: bool,
}

/// What both kinds of a layer can do.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Base {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Tcp(tcp) => Pin::new(tcp),
            Self::Tls(tls) => Pin::new(tls),
        }
    }
}

impl Layer {
    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Plain(base) => Pin::new(base),
            Self::Tls(tls) => Pin::new(tls),
        }
    }
}

impl Wire {
    pub(super) fn plain(base: Base) -> Self {
        Self { layer: Layer::Plain(base), write_broken: false }
    }

    pub(super) fn tls(stream: TlsStream<Base>) -> Self {
        Self { layer: Layer::Tls(Box::new(stream)), write_broken: false }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.layer {
            Layer::Plain(base) => base.tcp(),
            Layer::Tls(tls) => tls.get_ref().0.tcp(),
        }
    }

    /// A peer that answers early (413) and closes breaks our upload, but its answer may already be here. So a broken
    /// write is kept quiet and the reading side reports what comes (C9).
    fn forgive(&mut self, written: io::Result<usize>, length: usize) -> io::Result<usize> {
        match written {
            Err(e) if is_closed(e.kind()) => {
                self.write_broken = true;
                trace::write_broken();
                Ok(length)
            }
            other => other,
        }
    }
}

/// Whether the peer has gone away.
pub(super) fn is_closed(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

impl AsyncRead for Base {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_read(cx, buf)
    }
}

impl AsyncWrite for Base {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().io().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }
}

impl AsyncRead for Wire {
    /// The HTTP client takes a read of nothing for the end of the body, whatever was declared (C4). Here it is an error;
    /// complete bodies end by their framing and never ask again.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (room, before) = (buf.remaining(), buf.filled().len());
        let read = this.layer.io().poll_read(cx, buf);
        if !matches!(read, Poll::Ready(Ok(()))) || room == 0 {
            return read;
        }
        if buf.filled().len() == before {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        trace::received();
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.write_broken {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = this.layer.io().poll_write(cx, buf);
        written.map(|result| this.forgive(result, buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.write_broken {
            return Poll::Ready(Ok(()));
        }
        let flushed = this.layer.io().poll_flush(cx);
        flushed.map(|result| this.forgive(result.map(|()| 0), 0).map(drop))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().layer.io().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if this.write_broken {
            return Poll::Ready(Ok(length));
        }
        let written = this.layer.io().poll_write_vectored(cx, bufs);
        written.map(|result| this.forgive(result, length))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(base) => base.is_write_vectored(),
            Layer::Tls(tls) => tls.is_write_vectored(),
        }
    }
}

impl ActixStream for Wire {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}
