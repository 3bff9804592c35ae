import OmniwayTelemetry
public import OmniwayWire

extension App {
    /// Which routes there are, what they take and what they give, in the form of the original:
    /// `{"handlers":{"room.room.join":{"input":{"name":"string"},"output":[{"members":"int"},"error"]}},"remotes":{}}`.
    ///
    /// Types are found by decoding them from nothing. Of a type that can only be encoded the name is given.
    public var documentation: JSON {
        ["handlers": JSON(sorted: routes.map { ($0, $1.documentation) }), "remotes": [:]]
    }

    /// Lets clients ask for the documentation at a route: as bytes of JSON, or, of an app whose bodies are protobuf, as
    /// the message `Doc` with that text.
    public func addDocumentation(route: String) {
        let body = Lock<[UInt8]?>(nil)
        on(route) { (_: [UInt8], context: Context) -> [UInt8] in
            body.withLock { body in
                if let body { return body }
                let made = context.app.documentationBody
                body = made
                return made
            }
        }
    }

    private var documentationBody: [UInt8] {
        let text = JSON.Writer().bytes(of: documentation)
        guard serializer.name == ProtobufSerializer().name else { return text }
        return PomeloProtos.Doc(doc: String(decoding: text, as: UTF8.self)).protobuf
    }
}

extension Handler {
    fileprivate var documentation: JSON {
        let input: JSON = self.input.map { TypeShape(of: $0).json } ?? .null
        let output: JSON = answers ? [self.output.map { TypeShape(of: $0).json } ?? .null, "error"] : []
        return ["input": input, "output": output]
    }
}
