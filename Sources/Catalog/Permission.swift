/// What a caller must be allowed to do: the verbs of an API key's permission map.
public enum Permission: String, Sendable, Codable, CaseIterable {
  case read, write, execute, admin
}
