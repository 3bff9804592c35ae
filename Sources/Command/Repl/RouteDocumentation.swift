import Omniway

/// What a server says about its routes.
struct RouteDocumentation {
    struct Route: Equatable {
        let name: String
        /// Nil when it takes nothing.
        let input: JSON?
        /// Nil when it does not answer.
        let output: JSON?
    }
    let routes: [Route]
    let json: JSON

    init(_ json: JSON) throws(ReplMistake) {
        guard let handlers = try? json["handlers"]?.object() else {
            throw ReplMistake("the answer is no documentation: it has no object \"handlers\"; is the route right?")
        }
        self.json = json
        routes = handlers.map { name, value in
            Route(name: name, input: value["input"]?.ifNotNull, output: value["output"]?[0]?.ifNotNull)
        }.sorted { $0.name < $1.name }
    }

    /// Asks for it. Apps whose bodies are protobuf answer with a message whose first field is the same text.
    static func ask(_ client: AppClient, at route: String) async throws -> RouteDocumentation {
        let body: [UInt8] = try await client.request(route)
        let text = client.settings.serializer.name == "protobuf" ? try firstField(of: body) : body
        let json: JSON
        do throws(JSON.ReadError) {
            json = try JSON.Reader.go.read(text)
        } catch { throw ReplMistake("the answer of \(route) is no documentation: \(error)") }
        return try RouteDocumentation(json)
    }

    private static func firstField(of message: [UInt8]) throws(ReplMistake) -> [UInt8] {
        let wrong = ReplMistake("the answer is no message of documentation; is the route right?")
        guard message.first == 0x0A else { throw wrong }
        var (length, shift, at) = (0, 0, 1)
        while at < message.count, shift <= 28 {
            let byte = message[at]
            length |= Int(byte & 0x7F) << shift
            (shift, at) = (shift + 7, at + 1)
            if byte < 0x80 {
                guard length <= message.count - at else { throw wrong }
                return Array(message[at..<at + length])
            }
        }
        throw wrong
    }

    /// For people: each route with what it takes and gives.
    var text: String {
        routes.map { route in
            let input = route.input.map { " \(Self.text(of: $0))" } ?? ""
            let output = route.output.map { "\n    -> \(Self.text(of: $0))" } ?? "\n    (is told, does not answer)"
            return BodyText.harmless("\(route.name)\(input.isEmpty ? "" : "\n   \(input)")\(output)")
        }.joined(separator: "\n")
    }

    /// A type without the quotes of JSON: `{name: string, tags: [string]}`.
    private static func text(of type: JSON) -> String {
        switch type {
        case .string(let name): name
        case .array(let elements): "[" + elements.map(text).joined(separator: ", ") + "]"
        case .object(let fields): "{" + fields.map { "\($0.key): \(text(of: $0.value))" }.joined(separator: ", ") + "}"
        case .null, .bool, .number: "\(type)"
        }
    }
}
