import CanonicalJSON
import Catalog
import Domain
import Queries
import Refusals

extension ServerMethod {
  /// Who a connection speaks for, and what it has subscribed to.
  static let session: [ServerMethod] = [
    ServerMethod(
      "session.open", "Signs in, with one of api_key, email and password, or token.", .anyone,
      fields: Credentials.fields,
      result: Session.schema, errors: [.unauthenticated, .overloaded], example: nil,
      .connection { call, connection, reply in
        connection.openSession(try Credentials(call.arguments), reply)
      }),
    ServerMethod(
      "session.close", "Signs out; subscriptions end.", .session,
      .immediate { _, connection in
        connection.closeSession()
        return [:]
      }),
    ServerMethod(
      "session.whoami", "Who this connection speaks for, and what they may do.", .session, result: Session.schema,
      .immediate { call, _ in Session.description(of: try call.signedIn(), call.services.catalog) }),
    ServerMethod(
      "log.subscribe", "Tells of events as log.event notifications, in order without gaps: history first, then live.",
      .session, fields: LogFilter.fields,
      result: object(["position": ["type": "integer"], "subscription": ["type": "integer"]]),
      errors: [.forbidden, .tooLarge],
      .connection { call, connection, reply in
        try connection.subscribe(call.arguments, try call.signedIn(), reply)
      }),
    ServerMethod(
      "log.unsubscribe", "Ends a subscription of this connection.", .session,
      fields: [subscription], errors: [.notFound], example: nil,
      .immediate { call, connection in
        try connection.unsubscribe(call.arguments.integer("subscription") ?? 0)
        return [:]
      }),
  ]

  private static let subscription: Field = {
    var field = Field.count("subscription", "What log.subscribe answered.", in: 1...Int64.max)
    field.isRequired = true
    return field
  }()
}
