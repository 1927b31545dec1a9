//! Encryption, with the certificates that the system trusts or those of a file.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tidings::engine::Source;
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that verifies servers by these certificates, or by those of the system.
pub(crate) fn connector(certificates: Option<&Path>) -> Result<MakeRustlsConnect, Source> {
    let mut roots = RootCertStore::empty();
    match certificates {
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate to verify the server with; install the system's certificates or set root_certificates".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
