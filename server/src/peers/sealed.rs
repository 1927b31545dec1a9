//! Messages that only one handle can read: sealed with its public key (X25519, XSalsa20, Poly1305). The private key is
//! never stored, so an observer of the traffic through the server, now or later, sees no credential.

use crypto_box::{PublicKey, SecretKey, aead::OsRng};

/// The key pair of one handle.
pub(super) struct Keys(SecretKey);

/// The public key of some handle.
#[derive(Clone)]
pub(super) struct Key(PublicKey);

impl Keys {
    pub(super) fn new() -> Self {
        Self(SecretKey::generate(&mut OsRng))
    }

    pub(super) fn public(&self) -> [u8; 32] {
        *self.0.public_key().as_bytes()
    }

    /// Decrypts a message that was sealed for this handle.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.unseal(sealed).ok()
    }
}

impl Key {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(PublicKey::from(bytes))
    }

    pub(super) fn seal(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.seal(&mut OsRng, message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whom_it_was_sealed_for_can_read_a_message() {
        let (one, other) = (Keys::new(), Keys::new());
        let sealed = Key::new(one.public()).seal(b"a secret").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"a secret"));
        assert_eq!(one.open(&sealed).unwrap(), b"a secret");
        assert!(other.open(&sealed).is_none());
        let mut changed = sealed;
        changed[40] ^= 1;
        assert!(one.open(&changed).is_none());
    }
}
