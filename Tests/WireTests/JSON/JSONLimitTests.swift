import OmniwayWire
import Testing

/// What a document may cost.
@Suite struct JSONLimitTests {
    @Test func `a text over the limit is not looked at`() throws {
        let reader = JSON.Reader(limits: .init(bytes: 5))
        #expect(try reader.read("[1,2]") == [1, 2])
        let error = #expect(throws: JSON.ReadError.tooLong(bytes: 6, limit: 5)) { try reader.read("[1,2] ") }
        #expect(error?.description == "1:1: the text has 6 bytes, the limit is 5; split it or raise the limit")
        #expect(error?.position == nil)
    }

    @Test func `nesting ends at its limit`() throws {
        let reader = JSON.Reader(limits: .init(depth: 3))
        #expect(try reader.read(#"[{"a":[1]}]"#)[0]?["a"]?[0] == 1)
        let error = #expect(throws: JSON.ReadError.self) { try reader.read(#"[{"a":[{"#) }
        #expect(
            error?.description
                == "1:8: more than 3 arrays and objects in one another; flatten them or raise the limit")
        #expect(try JSON.Reader(limits: .init(depth: 0)).read("1") == 1)
        #expect(throws: JSON.ReadError.self) { try JSON.Reader(limits: .init(depth: 0)).read("[]") }
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":", "[[],"])
    func `a peer that nests without end is refused at the default depth`(_ piece: String) {
        let text = String(repeating: piece, count: 100_000)
        let error = #expect(throws: JSON.ReadError.self) { try JSON.Reader().read(text) }
        guard case .tooDeep(limit: 128, _) = error else {
            Issue.record("\(error as Any)")
            return
        }
    }

    @Test func `the greatest depth is read, written, compared and released`() throws {
        let reader = JSON.Reader(limits: .init(depth: 1_000))
        let text = String(repeating: #"[{"a":"#, count: 500) + "1" + String(repeating: "}]", count: 500)
        let value = try reader.read(text)
        #expect(value.description == text)
        #expect(try reader.read(text) == value)
    }

    @Test func `values are counted at every depth`() throws {
        let reader = JSON.Reader(limits: .init(values: 4))
        #expect(try reader.read(#"[1,{"a":2}]"#).array().count == 2)
        let error = #expect(throws: JSON.ReadError.self) { try reader.read(#"[1,{"a":[2]}]"#) }
        #expect(error?.description == "1:10: more than 4 values; split the text or raise the limit")
    }
}
