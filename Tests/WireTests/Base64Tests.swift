import OmniwayWire
import Testing

@Suite struct Base64Tests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the vectors of RFC 4648 hold both ways`(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v=", "Zm 9", "Zm9v\n", "Zg==Zg=="])
    func `what no bytes are encoded as is refused`(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test(arguments: [("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")])
    func `the variant for addresses has no padding`(_ encoded: String, _ plain: String) {
        #expect(Base64.decodeURL(encoded.utf8) == Array(plain.utf8))
    }

    @Test func `the variant for addresses has two other digits`() {
        #expect(Base64.decodeURL("-_-_".utf8) == [0xfb, 0xff, 0xbf])
        #expect(Base64.decode("+/+/") == [0xfb, 0xff, 0xbf])
        for other in ["+/+/", "Z", "Zh", "Zm9", "Zg==", "Zm9vY", "Zm 9", "Zm9v\n"] {
            #expect(Base64.decodeURL(other.utf8) == nil, "\(other)")
        }
    }
}
