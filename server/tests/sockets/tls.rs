//! A server with TLS, which writes streams through their ordinary bodies.

use std::{future::IntoFuture, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

use crate::fixture::Fixture;

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("../keys/tls.certificate.pem")).unwrap()
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    fn new(listener: TcpListener) -> Self {
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../keys/tls.private.pem")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate()], key).unwrap();
        Self { listener, acceptor: Arc::new(config).into() }
    }
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (socket, peer) = self.listener.accept().await.unwrap();
        (self.acceptor.accept(socket).await.unwrap(), peer)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn tls_carries_the_same_router() {
    let serve = |listener, app: axum::Router| axum::serve(Tls::new(listener), app).into_future();
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let socket = TcpStream::connect(fixture.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut client = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    let request = "GET /api/events?channels=news:1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let mut published = false;
    while !heard.ends_with(b"\"payload\":\"tea\"}\n\n\r\n") {
        assert!(client.read_buf(&mut heard).await.unwrap() > 0, "{}", heard.escape_ascii());
        if !published && heard.ends_with(b"\n\n\r\n") {
            published = true;
            fixture.publish("news:1", "tea").await;
        }
    }
    assert!(heard.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", heard.escape_ascii());
}
