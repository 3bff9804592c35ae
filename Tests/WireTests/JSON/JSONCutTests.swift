import OmniwayWire
import Testing

/// Whatever a peer sends may end anywhere.
@Suite struct JSONCutTests {
    @Test(arguments: [
        #"{"name":"luda","operation":"connectreq","data":"eyJhZGQiOiIxMjcuMC4wLjE6MTIzNDUiLCJhY2NvdW50IjoxMTkwMH0="}"#,
        #"[1.25e-3,-0,"\ud83d\ude00 é\u00e9 信",true,false,null,[[],{}],{"a":{"b":[{"c":""}]}}]"#,
        #" { "sys" : { "platform" : "mac" } , "user" : { "age" : 30.5 } }"#,
        """
        // A comment
        {bare: 'single \\x41 \\
        line', /* more */ hex: [0xFF, +.5, 5., -Infinity, NaN,], "é": "\\0", \\u0061b: 'a\u{2028}',}
        """,
    ])
    func `a text cut at any byte is an error within the text`(_ text: String) throws {
        let bytes = Array(text.utf8)
        _ = try JSON.Reader.json5.read(bytes)
        for cut in bytes.indices {
            for reader in [JSON.Reader(), .go, .json5] {
                let error = #expect(throws: JSON.ReadError.self) { try reader.read(Array(bytes[..<cut])) }
                #expect((error?.position?.offset).map { $0 <= cut } == true, "cut at \(cut): \(error as Any)")
            }
        }
    }

    @Test func `a text with any byte replaced is a value or an error`() {
        let text = Array(#"{"a":[1.5e2,"\ud83d\ude00é",true,null],"b":{"c":-0}}"#.utf8)
        for index in text.indices {
            for byte in UInt8.min...(.max) {
                var changed = text
                changed[index] = byte
                for reader in [JSON.Reader(), .go, .json5] {
                    guard let value = try? reader.read(changed) else { continue }
                    #expect(!value.description.isEmpty)
                }
            }
        }
    }
}
