// How each message of `PomeloProtos` is read and written. Concrete at every entry, because callers are other modules.

extension PomeloProtos.Request: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    /// Appends the request, with metadata that somebody else writes into its place.
    package func append(to bytes: inout [UInt8], metadata: (inout [UInt8]) -> Void) {
        encode(to: &bytes)
        var writer = ProtobufWriter(exchange(&bytes, with: []))
        writer.write(5, appending: metadata)  // The last field.
        bytes = writer.bytes
    }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .varint(let value)): type = .init(rawValue: Int32(truncatingIfNeeded: value))
        case (2, .bytes(let range)): try session.merge(bytes.extracting(range), into: .init())
        case (3, .bytes(let range)): try msg.merge(bytes.extracting(range), into: .init())
        case (4, .bytes(let range)): frontendID = try bytes.text(range, field: 4)
        case (5, .bytes(let range)): metadata = bytes.array(range)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, type.rawValue)
        writer.write(2, session)
        writer.write(3, msg)
        writer.write(4, frontendID)
        writer.write(5, metadata)
    }
}

extension PomeloProtos.Response: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }
    package func append(to bytes: inout [UInt8]) { encode(to: &bytes) }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): data = bytes.array(range)
        case (2, .bytes(let range)): try error.merge(bytes.extracting(range), into: .init())
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, data)
        writer.write(2, error)
    }
}

extension PomeloProtos.Msg: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .varint(let value)): id = value
        case (2, .bytes(let range)): route = try bytes.text(range, field: 2)
        case (3, .bytes(let range)): data = bytes.array(range)
        case (4, .bytes(let range)): reply = try bytes.text(range, field: 4)
        case (5, .varint(let value)): type = .init(rawValue: Int32(truncatingIfNeeded: value))
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, id)
        writer.write(2, route)
        writer.write(3, data)
        writer.write(4, reply)
        writer.write(5, type.rawValue)
    }
}

extension PomeloProtos.Session: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .varint(let value)): id = Int64(bitPattern: value)
        case (2, .bytes(let range)): uid = try bytes.text(range, field: 2)
        case (3, .bytes(let range)): data = bytes.array(range)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, id)
        writer.write(2, uid)
        writer.write(3, data)
    }
}

extension PomeloProtos.Push: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): route = try bytes.text(range, field: 1)
        case (2, .bytes(let range)): uid = try bytes.text(range, field: 2)
        case (3, .bytes(let range)): data = bytes.array(range)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, route)
        writer.write(2, uid)
        writer.write(3, data)
    }
}

extension PomeloProtos.KickMsg: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): userId = try bytes.text(range, field: 1)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, userId)
    }
}

extension PomeloProtos.KickAnswer: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .varint(let value)): kicked = value != 0
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, kicked)
    }
}

extension PomeloProtos.BindMsg: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): uid = try bytes.text(range, field: 1)
        case (2, .bytes(let range)): fid = try bytes.text(range, field: 2)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, uid)
        writer.write(2, fid)
    }
}

extension PomeloProtos.Doc: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): doc = try bytes.text(range, field: 1)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, doc)
    }
}

extension PomeloProtos.DocMsg: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .varint(let value)): getProtos = value != 0
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, getProtos)
    }
}

extension PomeloProtos.ProtoNames: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): name.append(try bytes.text(range, field: 1))
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        for element in name { writer.writeElement(1, element) }
    }
}

extension PomeloProtos.ProtoDescriptors: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): desc.append(bytes.array(range))
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        for element in desc { writer.writeElement(1, element) }
    }
}

extension PomeloFailure: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): code = try bytes.text(range, field: 1)
        case (2, .bytes(let range)): message = try bytes.text(range, field: 2)
        case (3, .bytes(let range)):
            let entry = try bytes.mapEntry(range)
            metadata[entry.key] = entry.value
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, code)
        writer.write(2, message)
        writer.write(3, sortedMetadata)
    }
}
