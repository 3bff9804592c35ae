import OmniwayWire
import Testing

/// A value as an application uses it.
@Suite struct JSONValueTests {
    @Test func `literals make values`() {
        let value: JSON = ["name": "luda", "ports": [1, 2.5, -3], "open": true, "data": .null, "more": ["a": []]]
        #expect(value.description == #"{"name":"luda","ports":[1,2.5,-3],"open":true,"data":null,"more":{"a":[]}}"#)
        #expect(JSON(7) == 7)
        #expect(JSON(UInt64.max).description == "18446744073709551615")
        #expect(JSON(0.5) == 0.5)
    }

    @Test func `subscripts find members and elements, or nothing`() {
        let value: JSON = ["ports": [1, ["deep": "x"]]]
        #expect(value["ports"]?[0] == 1)
        #expect(value["ports"]?[1]?["deep"] == "x")
        #expect(value["ports"]?[2] == nil)
        #expect(value["ports"]?[-1] == nil)
        #expect(value["port"] == nil)
        #expect(value[0] == nil)
        #expect(value["ports"]?["0"] == nil)
    }

    @Test func `a null member is there and yet can count as missing`() {
        let value: JSON = ["data": .null, "name": "x"]
        #expect(value["data"] == .some(.null))
        #expect(value["data"]?.ifNotNull == nil)
        #expect(value["name"]?.ifNotNull == "x")
    }

    @Test func `a value is what is asked for, or says what it is`() throws {
        let value = try JSON.Reader().read(#"{"s":"x","b":true,"a":[1],"o":{"k":2},"i":5,"d":0.5,"n":null}"#)
        #expect(try value["s"]?.string() == "x")
        #expect(try value["b"]?.bool() == true)
        #expect(try value["a"]?.array() == [1])
        #expect(try value["o"]?.object() == ["k": 2])
        #expect(try value["i"]?.int() == 5)
        #expect(try value["i"]?.int64() == 5)
        #expect(try value["i"]?.uint64() == 5)
        #expect(try value["i"]?.double() == 5)
        #expect(try value["d"]?.double() == 0.5)
        #expect(value["n"]?.kind == .null)
        #expect(throws: JSON.Mismatch.kind(.string, expected: .number)) { try value["s"]?.int() }
        #expect(throws: JSON.Mismatch.kind(.bool, expected: .string)) { try value["b"]?.string() }
        #expect(throws: JSON.Mismatch.kind(.array, expected: .object)) { try value["a"]?.object() }
        #expect(throws: JSON.Mismatch.kind(.object, expected: .array)) { try value["o"]?.array() }
        #expect(throws: JSON.Mismatch.kind(.number, expected: .bool)) { try value["i"]?.bool() }
        #expect(throws: JSON.Mismatch.kind(.null, expected: .number)) { try value["n"]?.double() }
        #expect(throws: JSON.Mismatch.kind(.null, expected: .number)) { try value["n"]?.uint64() }
    }

    @Test func `a mismatch says what was found and what was expected`() {
        let secret: JSON = "secret"
        let mismatch = #expect(throws: JSON.Mismatch.self) { try secret.int() }
        #expect(mismatch?.description == "expected a number, found a string")
        let port: JSON = 70_000
        let outside = #expect(throws: JSON.Mismatch.self) { try port.int(in: 1...65_535) }
        #expect(outside?.description == "expected a whole number from 1 to 65535, found 70000")
    }

    @Test(arguments: ["1.0", "1.5", "1e2", "9223372036854775808", "-9223372036854775809", "123456789012345678901"])
    func `a number that is no whole one of 64 bits is not rounded`(_ literal: String) throws {
        let value = try JSON.Reader().read(literal)
        #expect(throws: JSON.Mismatch.self) { try value.int64() }
        #expect(throws: JSON.Mismatch.self) { try value.int() }
    }

    @Test func `whole numbers reach to their ends`() throws {
        let reader = JSON.Reader()
        #expect(try reader.read("9223372036854775807").int64() == .max)
        #expect(try reader.read("-9223372036854775808").int64() == .min)
        #expect(try reader.read("18446744073709551615").uint64() == .max)
        #expect(try reader.read("-0").int() == 0)
        for literal in ["18446744073709551616", "-1", "-0", "1.0"] {
            #expect(throws: JSON.Mismatch.self) { try reader.read(literal).uint64() }
        }
        #expect(try reader.read("8080").int(in: 1...65_535) == 8080)
        #expect(throws: JSON.Mismatch.self) { try reader.read("0").int(in: 1...65_535) }
    }

    @Test func `a number too large for a double is not infinite`() throws {
        let reader = JSON.Reader()
        #expect(try reader.read("1.7976931348623157e308").double() == .greatestFiniteMagnitude)
        #expect(try reader.read("1e-400").double() == 0)
        for literal in ["1e309", "-1e400"] {
            #expect(throws: JSON.Mismatch.self) { try reader.read(literal).double() }
        }
        #expect(try JSON.Reader.json5.read("-Infinity").double() == -.infinity)
        #expect(try JSON.Reader.json5.read("NaN").double().isNaN)
    }

    @Test func `members keep their order and are found by exactly their key`() {
        var object: JSON.Object = ["b": 1, "a": 2]
        object["c"] = 3
        object["b"] = 4
        #expect(object.map(\.key) == ["b", "a", "c"])
        #expect(object["b"] == 4)
        #expect(object["B"] == nil)
        object["a"] = nil
        object["x"] = nil
        #expect(object == ["b": 4, "c": 3])
        #expect(object != ["c": 3, "b": 4])
        #expect(object != ["b": 4, "d": 3])
        #expect(object.count == 2)
        #expect(object[1] == ("c", 3))
        #expect(JSON.Object().isEmpty)
    }

    @Test func `two spellings of a character are two texts`() throws {
        let value = try JSON.Reader().read("{\"\u{e9}\":\"\u{e9}\",\"e\u{301}\":\"e\u{301}\"}")
        #expect(value["\u{e9}"] == "\u{e9}")
        #expect(value["e\u{301}"] == "e\u{301}")
        #expect(value["\u{e9}"] != "e\u{301}")
    }

    @Test func `keys that Swift's strings take for one are many`() throws {
        var orders: [[String]] = [[]]
        for mark in ["\u{301}", "\u{316}", "\u{327}", "\u{31b}"] {
            orders = orders.flatMap { order in
                (0...order.count).map { Array(order[..<$0]) + [mark] + Array(order[$0...]) }
            }
        }
        let keys = orders.map { "a" + $0.joined() }
        #expect(Set(keys).count == 1)
        let value = try JSON.Reader().read("{" + keys.map { "\"\($0)\":0" }.joined(separator: ",") + "}")
        #expect(try value.object().count == 24)
    }

    @Test func `values are equal when they would be written alike`() throws {
        let reader = JSON.Reader()
        #expect(try reader.read(#"[1, "a\u0062", {"x": null}]"#) == [1, "ab", ["x": .null]])
        #expect(try reader.read("1.0") != 1)
        #expect(JSON.null != false)
        #expect(JSON.array([]) != .object([:]))
        #expect(try reader.read(#"{"a":1,"b":2}"#) != reader.read(#"{"b":2,"a":1}"#))
    }
}
