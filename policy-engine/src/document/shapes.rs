//! The table of every key of a document.

use super::shape::{Kind, Shape, optional, required};

const NAME: Kind = Kind::Word("^[a-z0-9][a-z0-9_-]{0,63}$");
const DOTTED: Kind = Kind::Word("^[a-z0-9][a-z0-9._-]{0,63}$");
const RULE_ID: Kind = Kind::Word("^[a-z0-9][a-z0-9._-]{0,127}$");
const LABEL_NAME: Kind = Kind::Word("^[a-z0-9][a-z0-9_-]*([.][a-z0-9_-]+)*$");
const FIELD: Kind = Kind::Word("^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$");
const PLACE: Kind = Kind::Word("^[A-Za-z0-9._-]{1,64}$");
const PURPOSE: Kind = Kind::Word("^[A-Za-z0-9._:/-]{1,128}$");
const MEMBER: Kind = Kind::Word("^(u|group|claim):.+$");
const USER: Kind = Kind::Word("^u:.+$");
const PATTERN: Kind = Kind::Word("^([*][*]|ledger|(model|vector)/.+)$");
const RESOURCE: Kind = Kind::Word("^(ledger|(model|vector)/[^*]+)$");
const ROUTE: Kind = Kind::Word("^model/[^*]+$");
const ACTION: Kind = Kind::Word("^([*]|[a-z]+[.]([a-z]+|[*]))$");
const CLASS: Kind = Kind::Choice(&["public", "internal", "confidential", "restricted"]);
const MODE: Kind = Kind::Choice(&["plain", "preserving", "sealed"]);
const RECORD: Kind = Kind::Choice(&["none", "digest", "content"]);
const PER: Kind = Kind::Choice(&["minute", "hour", "day", "month"]);
const UNDEFINED: Kind = Kind::Choice(&["allow", "deny"]);
const BUCKETS: Kind = Kind::Entries("^.+$", &Kind::Whole(1));

pub(crate) static DOCUMENT: Shape = Shape {
    doc: "A policy document of the AIOS control plane.",
    either: &[],
    keys: &[
        required("version", Kind::Exactly(1), "The version of this format: 1."),
        required("tenant", NAME, "The tenant that the document is about."),
        optional("roles", Kind::Entries("^[a-z0-9][a-z0-9_-]{0,63}$", &Kind::Table(&ROLE)), "Who holds what."),
        optional(
            "labels",
            Kind::Entries("^.+$", &Kind::Table(&LABEL)),
            "What detectors find, and how sensitive it is.",
        ),
        optional(
            "collections",
            Kind::Entries("^.+$", &Kind::Table(&COLLECTION)),
            "Collections and how they are protected.",
        ),
        optional("models", Kind::Entries("^.+$", &Kind::Table(&MODEL)), "Models, by the names of the policy."),
        optional("budgets", Kind::Entries("^.+$", &Kind::Table(&BUDGET)), "What the tenant may spend."),
        optional("approvals", Kind::Entries("^.+$", &Kind::Table(&APPROVAL)), "Who approves what."),
        optional("defaults", Kind::Table(&DEFAULTS), "What holds where nothing else says."),
        optional("rule", Kind::Tables(&RULE), "The rules."),
        optional("exception", Kind::Tables(&EXCEPTION), "Exceptions from rules and lints, each with an end."),
        optional("test", Kind::Tables(&TEST), "Calls, and what must come of them."),
    ],
};

pub(super) static ROLE: Shape = Shape {
    doc: "A role.",
    either: &[],
    keys: &[
        optional("members", Kind::List(&MEMBER), "u:<principal>, group:<group> or claim:<name>=<value>."),
        optional("inherits", Kind::List(&NAME), "Roles whose allows and denies its members get too."),
    ],
};

pub(super) static LABEL: Shape = Shape {
    doc: "A label of content.",
    either: &[],
    keys: &[
        optional("class", CLASS, "How sensitive content with the label is."),
        optional(
            "detectors",
            Kind::OneOrMore(&LABEL_NAME),
            "The detectors whose finds give the label; its own name if not said.",
        ),
    ],
};

pub(super) static COLLECTION: Shape = Shape {
    doc: "A collection: its terms join those of the rules.",
    either: &[],
    keys: &[
        required("on", Kind::OneOrMore(&PATTERN), "Patterns over vector/<upstream>/<collection>."),
        optional("class", CLASS, "How sensitive its content is. It decides the mode where encrypt is not said."),
        optional("encrypt", Kind::Either(&MODE, &Kind::Table(&ENCRYPT)), "The least mode of protection."),
        optional("public_fields", Kind::List(&FIELD), "Payload fields that the store may read."),
        optional("filterable", Kind::List(&FIELD), "Payload fields with a blind index."),
        optional("range_buckets", BUCKETS, "Payload fields with a blind index of ranges, and the width of a range."),
        optional("max_k", Kind::Whole(1), "The most results of a search."),
        optional("residency", Kind::OneOrMore(&PLACE), "The regions that may hold it."),
        optional("record", RECORD, "What records hold of the content."),
    ],
};

pub(super) static MODEL: Shape = Shape {
    doc: "A model: its terms join those of the rules.",
    either: &[],
    keys: &[
        required("on", Kind::OneOrMore(&PATTERN), "Patterns over model/<upstream>/<model>."),
        optional(
            "aliases",
            Kind::List(&Kind::Text),
            "Other names at the same upstream; calls are routed to the model.",
        ),
        optional("versions", Kind::List(&Kind::Text), "The exact names that may be called, the preferred one first."),
        optional("expires", Kind::Date, "The last day on which it may be used."),
        optional("region", PLACE, "Where it is served."),
        optional("trust", PLACE, "How far it is trusted."),
        optional("block", Kind::List(&LABEL_NAME), "Labels that must not be in the content."),
        optional("redact", Kind::List(&LABEL_NAME), "Labels whose finds are removed."),
        optional(
            "pseudonymise",
            Kind::List(&LABEL_NAME),
            "Labels whose finds are replaced, and restored in the answer.",
        ),
        optional("residency", Kind::OneOrMore(&PLACE), "The regions that may serve it."),
        optional("record", RECORD, "What records hold of the content."),
    ],
};

pub(super) static BUDGET: Shape = Shape {
    doc: "A budget of the whole tenant: one of requests, tokens and cost.",
    either: &["requests", "tokens", "cost"],
    keys: &[
        optional("requests", Kind::Whole(0), "The most requests."),
        optional("tokens", Kind::Whole(0), "The most tokens."),
        optional("cost", Kind::Whole(0), "The most cost, in millionths."),
        required("per", PER, "The window, aligned to UTC."),
    ],
};

pub(super) static APPROVAL: Shape = Shape {
    doc: "A class of approvals.",
    either: &[],
    keys: &[
        required("roles", Kind::OneOrMore(&NAME), "Who may approve: holders of any of these roles, never the caller."),
        optional("approvers", Kind::Whole(1), "How many different people must approve; 1 if not said."),
        optional("hours", Kind::Whole(1), "How long an approval is good for; 24 if not said."),
    ],
};

pub(super) static DEFAULTS: Shape = Shape {
    doc: "What holds where nothing else says.",
    either: &[],
    keys: &[
        optional("class", CLASS, "The class of content in which nothing was found; internal if not said."),
        optional("record", RECORD, "What records hold where no rule says; digest if not said."),
        optional(
            "undefined_models",
            UNDEFINED,
            "Whether rules may allow models that no document defines; allow if not said.",
        ),
        optional("undefined_collections", UNDEFINED, "The same of collections."),
    ],
};

pub(super) static RULE: Shape = Shape {
    doc: "A rule: either allow or deny.",
    either: &["allow", "deny"],
    keys: &[
        required("id", RULE_ID, "Unique within the tenant. Decisions and records name it."),
        optional("description", Kind::Text, "What the rule is for."),
        optional("allow", Kind::OneOrMore(&ACTION), "The actions that it allows."),
        optional("deny", Kind::OneOrMore(&ACTION), "The actions that it denies."),
        required("roles", Kind::OneOrMore(&NAME), "Whom it is about: holders of any of these roles."),
        required("on", Kind::OneOrMore(&PATTERN), "The resources."),
        optional("when", Kind::Text, "A CEL condition."),
        optional("then", Kind::Table(&THEN), "The terms on which it allows."),
        optional("mode", Kind::Choice(&["enforce", "shadow"]), "shadow: evaluated and reported, never enforced."),
    ],
};

pub(super) static THEN: Shape = Shape {
    doc: "Terms of a rule that allows.",
    either: &[],
    keys: &[
        optional("block", Kind::List(&LABEL_NAME), "Labels that must not be in the content."),
        optional("redact", Kind::List(&LABEL_NAME), "Labels whose finds are removed."),
        optional(
            "pseudonymise",
            Kind::List(&LABEL_NAME),
            "Labels whose finds are replaced, and restored in the answer.",
        ),
        optional("encrypt", Kind::Either(&MODE, &Kind::Table(&ENCRYPT)), "How vectors and payloads are protected."),
        optional("public_fields", Kind::List(&FIELD), "Payload fields that the store may read."),
        optional("filterable", Kind::List(&FIELD), "Payload fields with a blind index."),
        optional("range_buckets", BUCKETS, "Payload fields with a blind index of ranges, and the width of a range."),
        optional(
            "limit",
            Kind::Either(&Kind::Table(&LIMIT), &Kind::List(&Kind::Table(&LIMIT))),
            "What the caller may use.",
        ),
        optional("budget", Kind::OneOrMore(&NAME), "Budgets that the call is booked under."),
        optional("require_approval", Kind::OneOrMore(&NAME), "Classes of approvals that the call needs."),
        optional("route", Kind::OneOrMore(&ROUTE), "Where the call may go."),
        optional("residency", Kind::OneOrMore(&PLACE), "The regions that may serve the call."),
        optional("max_k", Kind::Whole(1), "The most results of a search."),
        optional("record", RECORD, "What records hold of the content."),
    ],
};

pub(super) static ENCRYPT: Shape = Shape {
    doc: "A mode of protection with its noise.",
    either: &[],
    keys: &[
        required("mode", MODE, "The mode."),
        optional("beta", Kind::Number, "The noise of mode preserving: more than 0, at most 4; 2 if not said."),
    ],
};

pub(super) static LIMIT: Shape = Shape {
    doc: "What one caller may use in a window.",
    either: &[],
    keys: &[
        optional("requests", Kind::Whole(0), "The most requests."),
        optional("tokens", Kind::Whole(0), "The most tokens."),
        optional("cost", Kind::Whole(0), "The most cost, in millionths."),
        required("per", Kind::Choice(&["call", "minute", "hour", "day", "month"]), "The window, aligned to UTC."),
    ],
};

pub(super) static EXCEPTION: Shape = Shape {
    doc: "An exception: either for somebody whom a rule that denies does not bite, or of a lint that is accepted.",
    either: &["for", "lint"],
    keys: &[
        required("rule", RULE_ID, "The rule."),
        optional("for", Kind::OneOrMore(&MEMBER), "Whom the rule does not bite."),
        optional("lint", Kind::OneOrMore(&Kind::Text), "The ids of lints that are accepted for the rule."),
        required("expires", Kind::Date, "The last day of the exception."),
        required("owner", Kind::Text, "Who answers for it."),
        required("ticket", Kind::Text, "Where it was decided."),
        required("reason", Kind::Text, "Why."),
    ],
};

pub(super) static TEST: Shape = Shape {
    doc: "One call, and what must come of it.",
    either: &[],
    keys: &[
        required("name", Kind::Text, "What the test shows."),
        required("as", USER, "Who calls."),
        optional("groups", Kind::List(&Kind::Text), "The groups that the credential vouches for."),
        optional("claims", Kind::Entries("^.+$", &Kind::OneOrMore(&Kind::Text)), "The other claims of the credential."),
        required("do", ACTION, "The action."),
        required("on", RESOURCE, "The resource."),
        optional("ctx", Kind::Table(&CONTEXT), "The facts, by the names of conditions."),
        required("expect", Kind::Choice(&["allow", "deny"]), "The verdict."),
        optional("rule", RULE_ID, "A rule that must decide."),
        optional("reason", Kind::Text, "The code of the denial."),
        optional("obligations", Kind::List(&Kind::Text), "Obligations that must be among the merged ones."),
        optional("shadow", Kind::List(&RULE_ID), "Shadow rules that must apply."),
    ],
};

pub(super) static CONTEXT: Shape = Shape {
    doc: "The facts of a test.",
    either: &[],
    keys: &[
        optional("labels", Kind::List(&LABEL_NAME), "What the detectors found."),
        optional("now", Kind::Moment, "When the call came."),
        optional("upstream", Kind::Table(&UPSTREAM), "The configured upstream."),
        optional("call", Kind::Table(&CALL), "The call."),
        optional("spend", Kind::Entries("^.+$", &Kind::Whole(0)), "What was spent of budgets; 0 if not said."),
        optional("used", Kind::List(&Kind::Table(&LIMIT)), "What the caller used in running windows; 0 if not said."),
        optional("approvals", Kind::List(&Kind::Table(&GIVEN)), "Approvals that were given."),
    ],
};

pub(super) static UPSTREAM: Shape = Shape {
    doc: "The configured upstream.",
    either: &[],
    keys: &[optional("region", PLACE, "Where it keeps data."), optional("trust", PLACE, "How far it is trusted.")],
};

pub(super) static CALL: Shape = Shape {
    doc: "The call.",
    either: &[],
    keys: &[
        optional("workflow", PURPOSE, "The workflow that it belongs to."),
        optional("purpose", PURPOSE, "The purpose that it serves."),
        optional("tokens", Kind::Whole(0), "How many tokens it will use, estimated."),
        optional("cost", Kind::Whole(0), "What it will cost, estimated, in millionths."),
        optional("k", Kind::Whole(0), "How many results a search asks for."),
    ],
};

pub(super) static GIVEN: Shape = Shape {
    doc: "An approval that was given.",
    either: &[],
    keys: &[
        required("class", DOTTED, "The class."),
        required("by", USER, "Who gave it."),
        optional("groups", Kind::List(&Kind::Text), "The groups that this credential vouched for."),
        optional("at", Kind::Moment, "When; at the time of the call if not said."),
    ],
};
