import ArgumentParser
import CanonicalJSON
import DaybookClient
import Refusals

/// `daybook tail`: events as they happen.
struct Tail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follow the log: events as they happen, without a gap.",
    discussion: """
      Without --from it begins with what happens next. It ends when it is
      interrupted, with --until-end at the end of the log, or after --count
      events. When the server goes away it waits until that is back, and goes on
      behind the last event that it has shown.

      EXAMPLES
        daybook tail
        daybook tail --from 1 --until-end --json > events.jsonl
        daybook tail --events 'run.*' --events alert.raised
      """)

  @Option(name: .long, help: "The first position.")
  var from: Int64?

  @Option(name: .long, help: "Only events of this name, or type.*; may be repeated.")
  var events: [String] = []

  @Option(name: .long, help: "Only events of the resource of this id.")
  var resource: String?

  @Option(name: .long, help: "End after so many events.")
  var count: Int?

  @Flag(name: .long, help: "End at what was the log's end when this began.")
  var untilEnd = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let from, from < 1 { throw ValidationError("--from must be at least 1.") }
    if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
  }

  func run() async throws {
    if untilEnd { return try await connection.withClient { try await readAll($0) } }
    var place = Place(last: from.map { $0 - 1 }, left: count ?? Int.max)
    var isLost = false
    var pause = Duration.milliseconds(200)
    while true {
      do {
        let client = try await connection.open()
        if isLost { Terminal.complain("daybook: the server is back.") }
        (isLost, pause) = (false, .milliseconds(200))
        let end = await follow(client, &place)
        // What it ended with is what counts; a connection that can't be closed is gone anyway.
        try? await client.close()
        switch end {
        case .enough: return
        case .refused(let failure): throw failure
        case .lost: try await Task.sleep(for: .milliseconds(100))
        }
      } catch {
        // Nothing was shown yet, or it will be refused again: no use in waiting.
        guard let last = place.last, place.hasBegun, Self.mayPass(error) else { throw error }
        if !isLost {
          Terminal.complain(
            "daybook: the server has gone away; going on behind position \(last) once it is back (--from \(last + 1)).")
        }
        isLost = true
        try await Task.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      }
    }
  }

  /// How far it has come.
  private struct Place {
    /// The position behind which it goes on; nil before the first connection.
    var last: Int64?
    /// How many events are to be shown still.
    var left: Int
    /// Whether a subscription was answered once.
    var hasBegun = false
  }

  /// How following ended.
  private enum End {
    case enough, lost
    case refused(any Error)
  }

  /// Shows events until the connection ends or enough were shown.
  private func follow(_ client: DaybookClient, _ place: inout Place) async -> End {
    do {
      let last: Int64
      if let known = place.last {
        last = known
      } else {
        last = try await client.call("log.head")["position"]?.integerValue ?? 0
      }
      place.last = last
      var params = filter
      params["from"] = .integer(last + 1)
      _ = try await client.call("log.subscribe", params)
      place.hasBegun = true
    } catch {
      return place.hasBegun && Self.mayPass(error) ? .lost : .refused(error)
    }
    for await notification in client.notifications {
      switch notification.method {
      case "log.event":
        guard let record = notification.params["record"] else { continue }
        // Events that were passed over by a filter are behind it as well.
        let position = record["header"]?["position"]?.integerValue
        if let position, let last = place.last, position <= last { continue }
        show(record)
        place.last = position ?? place.last
        place.left -= 1
        if place.left == 0 { return .enough }
      case "log.ended":
        let error = notification.params["error"]
        let failure = Failure(
          .refused, error?.cell("message") ?? "The subscription was ended by the server.",
          data: error?.objectValue ?? [:])
        let code = error?["data"]?["type"]?.stringValue.flatMap { Refusal.Code(rawValue: $0) }
        return code?.isTransient == true ? .lost : .refused(failure)
      default: continue
      }
    }
    return .lost
  }

  /// Whether an error is of a server that is away, or that can't answer for a moment.
  private static func mayPass(_ error: any Error) -> Bool {
    switch error {
    case ClientError.closed, ClientError.unreachable: true
    case ClientError.remote(let refusal): refusal.code?.isTransient == true
    case let failure as Failure: failure.status == .unavailable
    default: false
    }
  }

  private var filter: JSONObject {
    var params = JSONObject()
    if !events.isEmpty { params["events"] = .array(events.map(JSON.string)) }
    if let resource { params["resource_id"] = .string(resource) }
    return params
  }

  /// Reads up to what was the end when this began.
  private func readAll(_ client: DaybookClient) async throws {
    let head = try await client.call("log.head")["position"]?.integerValue ?? 0
    var next = from ?? 1
    var left = count ?? Int.max
    while next <= head, left > 0 {
      var params = filter
      params["from"] = .integer(next)
      params["limit"] = .integer(Int64(min(left, 10_000)))
      let page = try await client.call("log.read", params)
      for record in page["records"]?.arrayValue ?? [] {
        guard left > 0, record["header"]?["position"]?.integerValue ?? 0 <= head else { return }
        show(record)
        left -= 1
      }
      let following = page["next"]?.integerValue ?? 0
      guard following > next else { return }
      next = following
    }
  }

  private func show(_ record: JSON) {
    if output.json { return Terminal.say(json: record) }
    let header = record["header"] ?? .null
    let event = header.cell("event")
    var line = "\(header.cell("position"))  \(header.time("at"))  "
    line += event + String(repeating: " ", count: max(0, 26 - event.utf8.count))
    line += "  \(header.cell("resource"))  \(header.cell("actor"))"
    if let person = header["on_behalf_of"]?.stringValue { line += " for user:\(person)" }
    let fields = (record["body"]?["set"]?.objectValue ?? [:]).keys
    if !fields.isEmpty { line += "  \(fields.joined(separator: ", "))" }
    line = Terminal.plain(line)
    Terminal.say(Terminal.width.map { Terminal.fitted(line, to: $0) } ?? line)
  }
}
