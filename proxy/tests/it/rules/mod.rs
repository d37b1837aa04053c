//! Tests of the rules in `docs/http-rules.md`, over real sockets.
//!
//! Each part of the rules has a file of its own, and [`CONTENTS`] lists the tests of each rule. In names of tests, s is RFC 9110
//! and m is RFC 9112, each with its section. `ground` has the proxy and the recording member that the tests use.
//! Run them with `cargo test -p penstock --test it rules::`.

/// Each rule of `docs/http-rules.md` by its number, and under it the tests that hold it (`contents` checks both ways).
const CONTENTS: &str = "
D1.1  M2.2 empty lines before a request; bare CR; bare LF
    m2_2_empty_lines_before_a_request_line_are_skipped_but_not_many
    m2_2_a_bare_cr_is_refused
    m2_2_a_bare_lf_is_refused
D1.2  M2.2 no whitespace between the start line and the first field
    m2_2_whitespace_before_the_first_field_is_refused
D1.3  M3 three words; tokens; no controls; 414 and 501 for what is too long
    m3_a_request_line_is_three_words_with_one_space_between
    m3_a_method_is_a_token_and_no_control_is_in_the_line
    m3_a_target_over_the_limit_is_414
    m3_a_method_longer_than_any_is_501
D1.4  M2.3 versions: 505; our own on both sides; what HTTP/1.0 does not get
    m2_3_another_version_is_505_and_noise_is_400
    m2_3_both_sides_are_told_our_own_version
    m2_3_http_1_0_is_kept_only_if_it_asks
    m2_3_http_1_0_gets_no_chunks_and_no_interim_answers
D1.5  M5.1 no whitespace before the colon; around a value it is no part of it
    m5_1_whitespace_before_the_colon_is_refused
    m5_1_whitespace_around_a_value_is_no_part_of_it
D1.6  M5.2 folded lines are never forwarded
    m5_2_a_folded_line_is_refused
D1.7  S5.5 no controls in values; S5.1 names are tokens; M11.1 nothing splits our lines
    s5_5_a_control_in_a_value_is_refused
    s5_1_a_field_name_is_a_token
    m11_1_nothing_of_a_client_gets_into_our_own_lines
D1.8  S5.4 limits of heads: 431, configured, and the connection is closed
    s5_4_fields_over_a_limit_are_431
    s5_4_the_limits_are_those_of_the_listener
    s5_4_an_answer_over_a_limit_is_502
D1.9  S5.3 order of lines is kept; Set-Cookie is never combined
    s5_3_lines_of_one_name_keep_their_order
    s5_3_set_cookie_is_never_combined
D2.1  M3.2 one Host, and one that is a host
    m3_2_one_host_and_no_two
    m3_2_a_host_is_a_host
D2.2  M3.2.1, M3.2.2 absolute-form is taken; origin-form goes on, with its host
    m3_2_2_absolute_form_replaces_host_and_goes_on_as_origin_form
    m3_2_1_origin_form_begins_with_a_slash
D2.3  M3.2.3, M3.2.4 `*` is for OPTIONS, authority-form for CONNECT
    m3_2_4_asterisk_form_is_for_options
    m3_2_4_an_absolute_options_without_a_path_is_for_the_server
    m3_2_3_authority_form_is_for_connect_only
D2.4  S9.3.6 CONNECT: refused unless enabled; a tunnel after 2xx, which has no length
    s9_3_6_connect_is_405_unless_enabled
    s9_3_6_a_2xx_to_connect_is_a_tunnel_and_its_length_means_nothing
    s9_3_6_a_connect_that_is_refused_is_an_ordinary_exchange
D2.5  S9.3.7, S9.3.8, S7.6.2 TRACE; Max-Forwards
    s9_3_8_trace_is_405_unless_enabled
    s7_6_2_max_forwards_is_one_less_on_options_and_trace
    s7_6_2_max_forwards_of_0_is_answered_here
    s7_6_2_max_forwards_does_not_allow_trace
D2.6  S4.2.4 no userinfo, no fragment
    s4_2_4_userinfo_is_refused
    s4_2_4_a_fragment_is_refused
D3.1  S7.6.1, S11.7 fields of one hop stay on it; none that frames or routes may be named
    s7_6_1_fields_named_by_connection_are_removed
    s7_6_1_fields_named_by_connection_are_removed_from_answers
    s7_6_1_connection_may_not_name_framing_or_routing_fields
    s7_6_1_naming_our_fields_removes_only_the_clients_copy
    s7_6_1_known_fields_of_one_hop_are_removed_both_ways
    s7_6_1_a_clients_close_does_not_empty_the_pool
    s11_7_credentials_that_we_do_not_consume_travel_on
D3.2  S10.1.4 of TE only `trailers`
    s10_1_4_of_te_only_trailers_goes_on
D3.3  S7.6.3 Via, our name in it, and loops
    s7_6_3_via_is_appended_to_requests
    s7_6_3_our_name_in_via_is_the_listeners
    s7_6_3_our_own_name_in_via_is_a_loop
    s7_6_3_a_loop_is_answered_with_the_field_and_the_option
    s7_6_3_without_a_name_ours_is_unique
D3.4  S5.6.1.2 empty elements of lists
    s5_6_1_empty_elements_of_lists_are_ignored
D3.5  S6.6.1 Date
    s6_6_1_date_is_added_where_it_is_missing_and_never_replaced
    s6_6_1_our_own_answers_are_dated_and_interim_ones_are_not
D3.6  S7.7 nothing is transformed
    s7_7_targets_content_and_its_fields_are_not_touched
    s7_7_a_get_with_a_body_keeps_it
D3.7  RFC 7239, X-Forwarded-For: who is believed, how far, and how it is written; twins with underscores
    rfc7239_what_a_stranger_says_is_replaced
    rfc7239_off_touches_nothing
    rfc7239_a_proxy_header_says_who_is_connected
    rfc7239_x_forwarded_for_is_walked_from_the_right
    rfc7239_several_lines_are_one_list
    rfc7239_what_is_no_address_ends_the_walk
    rfc7239_the_protocol_is_that_of_a_trusted_proxy
    rfc7239_forwarded_is_walked_as_well
    rfc7239_with_both_whichever_is_there_is_walked
    rfc7239_two_lists_that_disagree_are_not_believed
    rfc7239_remove_removes_what_trusted_proxies_say
    rfc7239_ipv6_stands_in_brackets_and_quotes
    rfc7239_a_mapped_address_is_its_ipv4_address
    rfc7239_twins_with_underscores_of_our_fields_are_removed
    rfc7239_what_only_a_proxy_can_know_is_not_taken_from_strangers
    rfc7239_names_with_underscores_are_passed_dropped_or_refused
D4.1  M6.3 which rule says where a body ends, in their order
    m6_3_a_request_without_length_or_coding_has_no_body
    m6_3_a_length_is_exact
    m6_3_a_request_whose_last_coding_is_not_chunked_is_refused
    m6_3_an_answer_to_head_has_no_body
    m6_3_204_and_304_have_no_body
    m6_3_an_answer_whose_last_coding_is_not_chunked_lasts_until_close
    m6_3_no_answer_hangs_for_its_framing
    m6_3_an_answer_with_an_invalid_length_is_502
    m6_3_an_answer_without_length_lasts_until_close
D4.2  M6.1 both fields
    m6_1_a_request_with_both_fields_is_refused
    m6_1_an_answer_with_both_fields_ends_its_link
D4.3  M6.1 codings: not in HTTP/1.0, none unknown, none in disguise
    m6_1_a_coding_in_http_1_0_is_refused
    m6_1_a_coding_in_an_answer_of_http_1_0_ends_its_link
    m6_1_an_unknown_coding_is_501
    m6_1_disguises_of_chunked_are_refused
    m6_1_an_answer_chunked_twice_is_502
    m6_1_a_coding_that_the_client_did_not_ask_for_is_502
D4.4  M6.2, S8.6 a length is digits, once
    m6_2_a_length_is_digits_once
    m6_2_a_length_said_twice_in_an_answer_is_said_once
D4.5  S9.3.2, S15.3.5, S15.3.6, S15.4.5 answers without a body (HEAD, 204 and 304 stand above)
    s15_3_6_205_has_length_0
D4.6  M7.1 chunks: sizes, extensions, line ends; trailers
    m7_1_chunks_are_read_and_written_anew
    m7_1_bad_chunks_are_refused
    m7_1_a_bare_lf_in_chunks_is_refused
    m7_1_1_extensions_are_bounded
    m7_1_chunks_of_answers_are_written_anew
    m7_1_bad_chunks_of_answers_are_cut_off
    m7_1_sizes_in_answers_may_be_padded
    m7_1_2_trailers_of_requests_travel_on_in_trailers
    m7_1_2_trailers_of_answers_travel_on_in_trailers
    s6_5_1_forbidden_trailers_are_left_behind
    m7_1_2_http_1_0_gets_no_trailers
    m7_1_2_trailers_are_bounded
D4.7  M8 what is cut short does not look complete
    m8_a_body_that_a_client_cuts_short_is_not_complete_at_the_member
    m8_an_answer_cut_short_does_not_look_complete
    m8_a_reset_does_not_end_an_answer_that_lasts_until_close
    m8_half_a_head_is_502
    m8_what_is_not_whole_never_reaches_the_member
D4.8  M9.6 framing by close, and a close that waits until the client has read
    m9_6_a_close_waits_for_the_client_to_have_read
    m9_6_framing_by_close_ends_in_order
    m9_6_a_client_that_sends_on_for_seconds_gets_its_answer
    m9_6_a_client_that_never_closes_is_closed
D4.9  S15.5.14 content over the limit
    s15_5_14_content_over_the_limit_is_413
    s15_5_14_chunks_over_the_limit_are_413_on_the_way
D5.1  S15.2 interim answers
    s15_2_interim_answers_reach_http_1_1_clients
    s15_2_interim_answers_do_not_reach_http_1_0_clients
    s15_2_interim_answers_have_no_body
    s15_2_an_interim_answer_does_not_wait_for_the_final_one
D5.2  S10.1.1 Expect, and answers before the body; members of HTTP/1.0
    s10_1_1_expect_is_forwarded_and_answered_by_the_member
    s10_1_1_a_refusal_instead_of_the_100_ends_both_connections
    s10_1_1_an_unknown_expectation_is_417
    s10_1_1_an_expectation_has_no_case
    s10_1_1_an_expectation_of_http_1_0_is_ignored
    s10_1_1_for_a_member_of_http_1_0_the_100_is_ours
    s10_1_1_an_early_answer_while_the_body_comes_is_forwarded
    s10_1_1_after_an_early_200_both_connections_end_in_order
    m9_6_an_early_answer_says_that_the_connection_will_end
    m9_6_an_answer_that_follows_the_content_leaves_the_connection
    m6_1_a_member_of_http_1_0_gets_no_chunks
    m6_1_an_answer_of_http_1_0_to_chunks_ends_its_link
D5.3  S7.8, S15.2.2 upgrades: of one hop, if enabled, raw only after 101
    s7_8_an_upgrade_that_is_enabled_is_offered_on
    s7_8_an_upgrade_that_is_not_enabled_is_left_behind
    s15_2_2_after_101_all_bytes_pass
    s7_8_early_bytes_wait_for_101
    s7_8_bytes_right_behind_101_are_the_clients
    s7_8_an_upgrade_behind_other_requests_waits_for_their_answers
    s7_8_without_101_the_connection_goes_on_as_http
    s15_2_2_101_unasked_or_without_upgrade_is_502
    s7_8_a_tunnel_ends_as_its_ends_do
    s7_8_tunnels_have_limits_of_their_own
    s7_8_tunnels_are_bounded
D5.4  RFC 6455 its fields pass; no upgrade with a body or of HTTP/1.0
    rfc6455_the_fields_of_a_handshake_pass
    s7_8_an_upgrade_of_http_1_0_or_with_a_body_is_ignored
D6.1  M9.3 who stays; the last request that may be
    m9_3_close_then_version_then_keep_alive_decide
    m9_3_the_last_request_allowed_is_answered_with_close
D6.2  M9.3.2 answers in the order of requests; how far is read ahead
    m9_3_2_answers_come_in_the_order_of_the_requests
    m9_3_2_answers_of_several_backends_come_in_order
    m9_3_2_our_own_answers_come_in_order
    m9_3_2_what_is_read_ahead_is_bounded
D6.3  M9.3 a body is read to its end, or the connection closed
    m9_3_a_whole_body_is_read_before_the_next_request
    m9_3_a_body_that_nobody_wants_is_no_request
D6.4  M9.2, S7.5 what was not asked for is no answer
    m9_2_bytes_on_an_idle_link_are_no_answer
    m9_2_bytes_behind_an_answer_are_no_answer
    m9_2_each_answer_reaches_its_own_client
D6.5  M9.5 timeouts: 408 only where a request had begun
    m9_5_an_idle_client_is_closed_without_408
    m9_5_a_head_that_does_not_end_is_408
    m9_5_a_body_that_stops_is_408
    m9_5_a_head_that_trickles_gets_no_more_time
D6.6  M9.6 after close, and in a drain
    m9_6_after_close_no_more_requests_are_processed
    m9_6_a_drain_closes_the_idle_and_says_close_to_the_busy
D7.1  the key: the source that is believed, without its port, mapped, masked
    d7_a_source_meets_one_member_whatever_its_ports
    d7_the_source_is_the_one_behind_trusted_proxies
    d7_each_request_of_a_trusted_proxy_has_its_own_source
    d7_a_mapped_source_is_its_ipv4_source
    d7_a_mask_makes_neighbours_one_source
D7.2  rendezvous over names and weights: only what changed moves
    d7_a_change_of_members_moves_only_the_sources_of_what_changed
    d7_a_weight_is_a_share_of_the_sources
D7.3  down: the next in rank, and back
    d7_a_member_that_is_down_is_stood_in_for_until_it_is_back
D7.4  a client keeps its member; affinity beats load; what is remembered is bounded
    d7_a_client_keeps_its_member
    d7_affinity_goes_before_load
    d7_what_is_remembered_of_sources_is_bounded_by_the_clients
D8.1  each status and its cause, with exact length and what becomes of the connection
    d8_what_cannot_be_a_request_is_4xx_or_501_and_closes
    d8_what_does_not_end_in_time_is_408_and_closes
    d8_a_bad_answer_or_none_is_502_and_the_client_goes_on
    d8_no_member_and_a_full_queue_are_503_with_retry_after
    d8_what_a_member_does_not_do_in_time_is_504
    d8_the_rarer_causes_have_answers_too
    d8_our_answers_to_head_have_no_body
    d8_our_answers_to_http_1_0_say_whether_it_stays
D8.2  one word for why, in answer, metric and log
    d8_the_cause_is_the_same_in_answer_metric_and_log
    d8_what_is_cut_off_is_counted_by_its_cause
    d8_a_client_that_does_not_read_is_counted_as_slow
DR.1  nothing written: any method
    dr_what_was_not_written_is_sent_elsewhere_whatever_it_is
    dr_what_waits_was_not_written
DR.2  written to a used link, no byte of an answer, idempotent, no body: once, on a fresh link
    dr_an_idempotent_request_on_a_used_link_is_sent_once_more
    dr_trace_is_idempotent_where_it_is_allowed
    dr_a_request_with_a_body_is_not_sent_again
    dr_nothing_is_sent_a_third_time
DR.3  not idempotent: 502
    dr_what_is_not_idempotent_is_never_sent_again
DR.4  a fresh link: never
    dr_on_a_fresh_link_nothing_is_sent_again
DR.5  any byte of an answer: never
    dr_once_an_answer_has_begun_nothing_is_sent_again
    dr_an_answer_cut_off_is_not_asked_for_again
    dr_what_is_no_answer_is_not_held_against_who_waits_for_one
DR.6  after 1xx: never
    dr_after_an_interim_answer_nothing_is_sent_again
DR.7  followers that are safe: once, not behind others
    dr_followers_that_were_not_answered_are_sent_once_more
DR.8  the client has left: no
    dr_for_a_client_that_has_left_nothing_is_sent_again
DR.9  S9.2.2 Idempotency-Key is no licence
    dr_an_idempotency_key_is_no_licence
DR.10  a link is looked at before it gets what may not be sent twice
    dr_a_closed_link_is_not_used_for_what_may_not_be_sent_twice
DP.1  request or answer not gone through whole; client gone
    dp_a_request_that_was_not_written_whole
    dp_an_answer_that_is_not_read_to_its_end
    dp_but_a_short_answer_for_nobody_is_drained
DP.2  close, HTTP/1.0, until close, ambiguous framing
    dp_an_answer_that_says_close_or_is_of_http_1_0
    dp_but_a_clients_close_leaves_the_link
    dp_an_answer_that_lasts_until_close
    dp_an_answer_whose_framing_is_ambiguous
DP.3  surplus bytes, any fault
    dp_surplus_bytes_and_what_cannot_be_parsed
DP.4  101, CONNECT
    dp_a_link_that_became_a_tunnel
DP.5  408 or 400 with the body unread; timeouts
    dp_a_refusal_with_the_body_unread
    dp_a_timeout
DP.6  NTLM, Negotiate
    dp_a_link_with_credentials_of_the_connection_is_its_clients
    dp_but_credentials_of_a_request_bind_nothing
    dp_an_own_link_that_ends_does_not_end_its_client
    dp_two_owners_have_two_links
DP.7  a PROXY header for one client
    dp_a_proxy_header_is_not_sent_on_pooled_links
DP.8  age, number of requests, idleness
    dp_a_link_that_is_old_or_used_up
    dp_a_link_that_was_unused_for_too_long
DP.9  its member removed or moved
    dp_a_member_that_was_removed_or_moved
DP.10  closed, reset or readable while idle
    dp_a_link_on_which_something_happened_while_it_was_idle
P.1  only proven links of HTTP/1.1, where configured
    p1_a_fresh_link_carries_one_at_a_time
    p1_nor_does_any_link_where_pipeline_is_1
    p1_nor_does_a_link_of_http_1_0
P.2  safe methods without a body; all else is a barrier
    p2_only_safe_methods_without_a_body_share_a_link
    p2_get_and_options_share_a_link
P.3  nothing behind Upgrade, CONNECT, Expect, nor behind what is late or large
    p3_nothing_is_sent_behind_a_late_head
    p3_connect_is_alone
P.4  a slow client holds up nobody
    p4_a_client_that_does_not_read_holds_up_nobody
P.5  the link dies
    p5_when_a_link_ends_each_meets_its_fate
P.6  the client leaves
    p6_a_client_that_leaves_keeps_its_place
P.7  surplus, 101, faults
    p7_what_breaks_the_order_ends_the_link_and_loses_nobody
P.8  framed by the method
    p8_answers_are_framed_by_what_was_asked
P.9  depth follows service time
    p9_the_depth_begins_at_1_and_grows_with_evidence
    p9_a_slow_member_gets_links_rather_than_depth
P.10  pipeline_methods: all
    p10_all_methods_may_share_a_link_and_are_not_sent_again
P.11  one client's order
    p11_one_clients_requests_stay_on_one_link_or_wait
P.12  rescue
    p12_those_behind_a_slow_answer_are_rescued
    p12_a_rescue_has_a_budget_and_is_for_what_may_be_sent_twice
";

mod contents;
mod d1_start_line_and_fields;
mod d2_target_and_host;
mod d3_addresses;
mod d3_forwarding_fields;
mod d4_answers;
mod d4_requests;
mod d4_trailers;
mod d5_interim_and_expect;
mod d5_tunnels;
mod d6_order;
mod d6_persistence;
mod d7_affinity;
mod d8_error_answers;
mod dp_reuse;
mod dr_retries;
mod ground;
mod pipelining;
mod pipelining_depth;
