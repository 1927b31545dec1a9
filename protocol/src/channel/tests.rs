use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

#[test]
fn a_text_is_shared_and_checked_all_the_same() {
    let text = pattern("a:*").shared();
    assert!(Arc::ptr_eq(&text, &Pattern::try_from(text.clone()).unwrap().shared()));
    assert_eq!(Pattern::try_from(Arc::from("a:*:b")), Err(ChannelError::Wildcard));
}

#[test]
fn a_channel_has_one_to_eight_segments() {
    for good in ["a", "a:b", "a:b:c:d:e:f:g:h", "u@x.org", "a~b_c-d%2A"] {
        assert!(good.parse::<Channel>().is_ok(), "{good}");
    }
    let nine = "a:b:c:d:e:f:g:h:i";
    assert_eq!(nine.parse::<Channel>(), Err(ChannelError::TooManySegments));
}

#[test]
fn a_malformed_channel_is_refused_with_its_reason() {
    for (bad, why) in [
        ("", ChannelError::EmptySegment),
        (":a", ChannelError::EmptySegment),
        ("a::b", ChannelError::EmptySegment),
        ("a b", ChannelError::Character),
        ("ä", ChannelError::Character),
        ("a,b", ChannelError::Character),
        ("*:a", ChannelError::Wildcard),
        ("a*", ChannelError::Wildcard),
        ("a:**", ChannelError::Wildcard),
    ] {
        assert_eq!(bad.parse::<Pattern>(), Err(why), "{bad}");
    }
    assert_eq!("a:*".parse::<Channel>(), Err(ChannelError::Wildcard));
    assert_eq!("a".repeat(201).parse::<Channel>(), Err(ChannelError::TooLong));
    assert!("a".repeat(200).parse::<Channel>().is_ok());
}

#[test]
fn a_prefix_pattern_leaves_out_the_prefix_itself() {
    assert!(!pattern("chat:*").overlaps(&pattern("chat")));
    assert!(!pattern("chat:*").overlaps(&pattern("chats:1")));
    assert!(pattern("*").overlaps(&pattern("chat")));
}

#[test]
fn ancestors_run_from_near_to_far() {
    let above = |text: &str| pattern(text).ancestors().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(above("a:b:c"), ["a:b:", "a:", ""]);
    assert_eq!(above("a:b:*"), ["a:", ""]);
    assert_eq!(above("a"), [""]);
    assert!(above("*").is_empty());
}
