import OmniwayTesting
import Testing

@testable import OmniwayCrypto

@Suite struct Curve25519Tests {
    private func bytes(_ hex: String) -> [UInt8] { Vectors.bytes(hex) ?? [] }

    @Test func `two sides agree on the secret of RFC 7748`() {
        let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
        #expect(X25519.publicKey(of: bob) == bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
        let alice = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        #expect(
            X25519.secret(privateKey: bob, peerPublicKey: alice)
                == bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"))
        let carol = [UInt8](repeating: 9, count: 32)
        #expect(
            X25519.secret(privateKey: carol, peerPublicKey: X25519.publicKey(of: bob))
                == X25519.secret(privateKey: bob, peerPublicKey: X25519.publicKey(of: carol)))
    }

    @Test func `a public key that leaves no secret is refused`() {
        let own = [UInt8](repeating: 7, count: 32)
        #expect(X25519.secret(privateKey: own, peerPublicKey: [UInt8](repeating: 0, count: 32)) == nil)
        #expect(X25519.secret(privateKey: own, peerPublicKey: [1] + [UInt8](repeating: 0, count: 31)) == nil)
        #expect(X25519.secret(privateKey: own, peerPublicKey: [1, 2, 3]) == nil)
    }

    @Test func `signatures are those of RFC 8032`() {
        let key = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        let publicKey = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        #expect(Ed25519.publicKey(of: key) == publicKey)
        let signature = Ed25519.signature(of: [], privateKey: key)
        #expect(
            signature
                == bytes(
                    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                        + "d25bf5f0595bbe24655141438e7a100b"))
        #expect(Ed25519.verifies(signature, of: [], publicKey: publicKey))
        #expect(!Ed25519.verifies(signature, of: [0], publicKey: publicKey))
        #expect(!Ed25519.verifies(Array(signature.dropLast()), of: [], publicKey: publicKey))
        #expect(!Ed25519.verifies(signature, of: [], publicKey: [1]))
        var changed = signature
        changed[40] ^= 1
        #expect(!Ed25519.verifies(changed, of: [], publicKey: publicKey))
    }

    @Test func `sealed bytes are those of RFC 8439, and open only as they are`() {
        let key = (0x80...0x9f).map { UInt8($0) }
        let nonce = bytes("070000004041424344454647")
        let context = bytes("50515253c0c1c2c3c4c5c6c7")
        let text =
            "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            + "sunscreen would be it."
        let sealed = ChaChaPoly.seal(Array(text.utf8), key: key, nonce: nonce, context: context)
        #expect(sealed.prefix(16) == bytes("d31a8d34648e60db7b86afbc53ef7ec2")[...])
        #expect(sealed.suffix(16) == bytes("1ae10b594f09e26a7e902ecbd0600691")[...])
        #expect(ChaChaPoly.open(sealed, key: key, nonce: nonce, context: context) == Array(text.utf8))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(ChaChaPoly.open(changed, key: key, nonce: nonce, context: context) == nil)
        }
        #expect(ChaChaPoly.open(sealed, key: key, nonce: nonce, context: []) == nil)
        #expect(ChaChaPoly.open([1, 2, 3], key: key, nonce: nonce, context: context) == nil)
    }

    @Test func `nothing can be sealed too`() {
        let (key, nonce) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 12))
        let sealed = ChaChaPoly.seal([], key: key, nonce: nonce, context: [])
        #expect(sealed.count == ChaChaPoly.tagSize)
        #expect(ChaChaPoly.open(sealed, key: key, nonce: nonce, context: []) == [])
    }
}
