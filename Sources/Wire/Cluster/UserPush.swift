/// A push to many users at once, as servers of ours tell it to each other; others do not know it.
package struct UserPush: Equatable, Sendable {
    /// As a remote of a frontend. It answers with those of the users who are not there.
    package static let remote = "sys.pushusers"

    package var route: String
    package var data: [UInt8]
    package var users: [String]

    package init(route: String = "", data: [UInt8] = [], users: [String] = []) {
        (self.route, self.data, self.users) = (route, data, users)
    }
}

extension UserPush: ProtobufMessage {
    package init(protobuf bytes: RawSpan) throws(ProtobufError) {
        self.init()
        try merge(bytes)
    }
    package var protobuf: [UInt8] { encoded }

    mutating func read(_ field: ProtobufField, in bytes: RawSpan) throws(ProtobufError) {
        switch (field.number, field.value) {
        case (1, .bytes(let range)): route = try bytes.text(range, field: 1)
        case (2, .bytes(let range)): users.append(try bytes.text(range, field: 2))
        case (3, .bytes(let range)): data = bytes.array(range)
        default: break
        }
    }

    func write(to writer: inout ProtobufWriter) {
        writer.write(1, route)
        for user in users { writer.writeElement(2, user) }
        writer.write(3, data)
    }
}
