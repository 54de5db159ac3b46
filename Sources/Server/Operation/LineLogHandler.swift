import BasicTypes
import CanonicalJSON
import Logging

/// Writes log messages to standard error, one line each: for people, or as JSON for programs.
///
/// What is logged holds no secret and no personal value; that is for the callers to see to.
public struct LineLogHandler: LogHandler {
  /// What is logged at least.
  public var logLevel: Logger.Level
  /// What every message of this logger carries.
  public var metadata: Logger.Metadata = [:]

  private let label: String
  private let format: ServerConfiguration.LogFormat
  private let isJournal: Bool
  private let write: @Sendable (String) -> Void

  /// A handler for one logger. `write` gets whole lines with their ends; by default they go to standard error.
  /// - Parameter isJournal: Whether systemd's journal reads the lines: each then begins with its level as `<N>`
  ///   (sd-daemon(3)), and one for people lacks the time, which the journal has.
  public init(
    label: String, format: ServerConfiguration.LogFormat, level: Logger.Level, isJournal: Bool = false,
    write: (@Sendable (String) -> Void)? = nil
  ) {
    self.label = label
    self.format = format
    self.isJournal = isJournal
    self.write = write ?? { StandardStream.error.write($0) }
    logLevel = level
  }

  /// One piece of the metadata.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes one message.
  public func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { _, own in own }
    let time = Timestamp.now.text
    let prefix = isJournal ? "<\(Self.priority(event.level))>" : ""
    switch format {
    case .text:
      let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
      let begin = isJournal ? prefix : "\(time) "
      write("\(begin)\(event.level) \(label): \(Self.oneLine("\(event.message)"))\(pairs)\n")
    case .json:
      let members = all.map { (key: $0.key, value: JSON.string("\($0.value)")) }
      let line: JSONObject = [
        "at": .string(time), "level": .string(event.level.rawValue), "logger": .string(label),
        "message": .string("\(event.message)"),
      ]
      let fields: JSONObject = members.isEmpty ? [:] : ["fields": .object(JSONObject(members: members))]
      write(prefix + line.merging(fields).canonicalString + "\n")
    }
  }

  /// The severity by syslog(3).
  private static func priority(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }

  /// Control characters could fake lines or steer a terminal.
  private static func oneLine(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
  }

  private static func quoted(_ text: String) -> String {
    text.utf8.contains { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=") || $0 == 0x7F }
      ? JSON.string(text).canonicalString : text
  }
}
