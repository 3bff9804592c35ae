/// What servers of a cluster say to each other: the messages of `package protos`, in proto3.
package enum PomeloProtos {
    /// Whom a request is for. Others than these two are kept as they came, to be refused by name.
    package struct RPCType: RawRepresentable, Hashable, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }
        /// A handler: a client's message, forwarded.
        package static let sys = RPCType(rawValue: 0)
        /// A remote: an application's own call.
        package static let user = RPCType(rawValue: 1)
    }

    package struct MsgType: RawRepresentable, Hashable, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }
        package static let request = MsgType(rawValue: 0)
        package static let notify = MsgType(rawValue: 1)
        package static let response = MsgType(rawValue: 2)
        package static let push = MsgType(rawValue: 3)
    }

    /// A call of a server.
    package struct Request: Equatable, Sendable {
        package var type: RPCType
        package var session: Session?
        package var msg: Msg?
        /// The caller's id, if it is a frontend.
        package var frontendID: String
        /// JSON of what travels with a call: its id, start, timeout and caller.
        package var metadata: [UInt8]

        package init(
            type: RPCType = .sys, session: Session? = nil, msg: Msg? = nil, frontendID: String = "",
            metadata: [UInt8] = []
        ) {
            (self.type, self.session, self.msg, self.frontendID, self.metadata) = (
                type, session, msg, frontendID, metadata
            )
        }
    }

    /// The answer to a `Request`.
    package struct Response: Equatable, Sendable {
        package var data: [UInt8]
        package var error: PomeloFailure?

        package init(data: [UInt8] = [], error: PomeloFailure? = nil) { (self.data, self.error) = (data, error) }
    }

    /// A client's message, or an application's call.
    package struct Msg: Equatable, Sendable {
        package var id: UInt64
        package var route: String
        package var data: [UInt8]
        /// Empty on the wire.
        package var reply: String
        package var type: MsgType

        package init(
            id: UInt64 = 0, route: String = "", data: [UInt8] = [], reply: String = "", type: MsgType = .request
        ) {
            (self.id, self.route, self.data, self.reply, self.type) = (id, route, data, reply, type)
        }
    }

    /// The session of the client that a call is about.
    package struct Session: Equatable, Sendable {
        /// The frontend's number for the session.
        package var id: Int64
        package var uid: String
        /// The session's data as JSON.
        package var data: [UInt8]

        package init(id: Int64 = 0, uid: String = "", data: [UInt8] = []) {
            (self.id, self.uid, self.data) = (id, uid, data)
        }
    }

    /// A message for a user, to the frontend that has the session.
    package struct Push: Equatable, Sendable {
        package var route: String
        package var uid: String
        package var data: [UInt8]

        package init(route: String = "", uid: String = "", data: [UInt8] = []) {
            (self.route, self.uid, self.data) = (route, uid, data)
        }
    }

    /// Asks the frontend that has the session of a user to end it.
    package struct KickMsg: Equatable, Sendable {
        package var userId: String

        package init(userId: String = "") { self.userId = userId }
    }

    package struct KickAnswer: Equatable, Sendable {
        package var kicked: Bool

        package init(kicked: Bool = false) { self.kicked = kicked }
    }

    /// Tells all frontends of a type that a user is bound at one of them.
    package struct BindMsg: Equatable, Sendable {
        package var uid: String
        /// The frontend's id.
        package var fid: String

        package init(uid: String = "", fid: String = "") { (self.uid, self.fid) = (uid, fid) }
    }

    /// A text of the documentation handlers.
    package struct Doc: Equatable, Sendable {
        package var doc: String

        package init(doc: String = "") { self.doc = doc }
    }

    package struct DocMsg: Equatable, Sendable {
        package var getProtos: Bool

        package init(getProtos: Bool = false) { self.getProtos = getProtos }
    }

    /// Asks for descriptors by names.
    package struct ProtoNames: Equatable, Sendable {
        package var name: [String]

        package init(name: [String] = []) { self.name = name }
    }

    /// Descriptors, each compressed by gzip.
    package struct ProtoDescriptors: Equatable, Sendable {
        package var desc: [[UInt8]]

        package init(desc: [[UInt8]] = []) { self.desc = desc }
    }
}
