import OmniwayWire
import Testing

@Test func `the example of the documentation gives what the page says`() throws {
    let request = try JSON.Reader().read(#"{"name": "luda", "ports": [80, 8080], "rate": 1.50}"#).object()
    let name = try request["name"]?.string() ?? "nobody"
    let ports = try request["ports"]?.array().map { port in try port.int(in: 1...65_535) } ?? []

    var reply: [UInt8] = []
    JSON.Writer().writeObject(to: &reply) {
        $0.member("hello", name)
        $0.array("open") { for port in ports { $0.element(port) } }
        $0.member("rate", request["rate"] ?? .null)
    }
    #expect(String(decoding: reply, as: UTF8.self) == #"{"hello":"luda","open":[80,8080],"rate":1.50}"#)

    let file = try JSON.Reader.json5.readNode(Array("{\n  loops: 0, // too few\n}".utf8))
    let loops = try #require(file["loops"])
    let error = #expect(throws: JSON.Mismatch.self) { try loops.value.int(in: 1...256) }
    #expect(
        "config.json5:\(loops.position): \(error?.description ?? "")"
            == "config.json5:2:10: expected a whole number from 1 to 256, found 0")
}
