BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE delivery (
	id VARCHAR(16) NOT NULL, 
	mail_id VARCHAR(16) NOT NULL, 
	seller_id TEXT NOT NULL, 
	recipient TEXT NOT NULL, 
	recipient_domain TEXT NOT NULL, 
	state TEXT NOT NULL, 
	accepted_at BIGINT NOT NULL, 
	due_at BIGINT, 
	leased_by TEXT NOT NULL, 
	leased_until BIGINT, 
	wake_at BIGINT, 
	attempts SMALLINT NOT NULL, 
	last_reply TEXT NOT NULL, 
	settled_at BIGINT, 
	PRIMARY KEY (id), 
	CONSTRAINT delivery_wakes CHECK (state NOT IN ('queued', 'sending') OR wake_at IS NOT NULL), 
	FOREIGN KEY(mail_id) REFERENCES mail (id)
);
INSERT INTO "delivery" VALUES('06aeke7m00000005','06aeke7m00000002','例題商店','a@partner.example.jp','partner.example.jp','delivered',1795222800000000,NULL,'',NULL,NULL,1,'250 2.0.0 ok',1795222860000000);
INSERT INTO "delivery" VALUES('06aeke7m00000006','06aeke7m00000003','例題商店','B@Partner.example.jp','partner.example.jp','bounced',1795222800000000,NULL,'',NULL,NULL,1,'550 5.7.1 受け取れません',1795222860000000);
INSERT INTO "delivery" VALUES('06aeke7m00000007','06aeke7m00000004','例題商店','c@other.example.jp','other.example.jp','queued',1795222800000000,1795223160000000,'',NULL,1795223160000000,1,'451 4.3.0 後ほど',NULL);
INSERT INTO "delivery" VALUES('06aekg270000000d','06aekg270000000c','見本書店','orders@partner.example.jp','partner.example.jp','sending',1795222860000000,1795222860000000,'worker-1',1795223460000000,1795223460000000,0,'',NULL);
INSERT INTO "delivery" VALUES('06aekg270000000k','06aekg270000000j','例題商店','orders@partner.example.jp','partner.example.jp','queued',1795222860000000,1795222860000000,'',NULL,1795222860000000,0,'',NULL);
INSERT INTO "delivery" VALUES('06aekg270000000p','06aekg270000000n','例題商店','orders@partner.example.jp','partner.example.jp','held',1795222860000000,1795224660000000,'',NULL,1795224660000000,0,'',NULL);
INSERT INTO "delivery" VALUES('06aekg270000000s','06aekg270000000r','例題商店','orders@partner.example.jp','partner.example.jp','held',1795222860000000,NULL,'',NULL,NULL,0,'',NULL);
INSERT INTO "delivery" VALUES('06aekg270000000g','06aekg270000000f','例題商店','orders@partner.example.jp','partner.example.jp','discarded',1795222860000000,NULL,'',NULL,NULL,0,'',1795222860000000);
INSERT INTO "delivery" VALUES('06aekg2700000010','06aekg270000000z','例題商店','orders@partner.example.jp','partner.example.jp','queued',1795222860000000,1795222860000000,'',NULL,1795222860000000,0,'',NULL);
CREATE TABLE journal (
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	seller_id TEXT NOT NULL, 
	notification_id TEXT NOT NULL, 
	delivery_id TEXT NOT NULL, 
	quarantine_id TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "journal" VALUES(1,1795222800000000,'accepted','例題商店','06aeke7m00000001','','','','');
INSERT INTO "journal" VALUES(2,1795222800000000,'duplicate','例題商店','06aeke7m00000001','','','','event 出来事-1 with other content');
INSERT INTO "journal" VALUES(3,1795222860000000,'delivered','例題商店','06aeke7m00000001','06aeke7m00000005','','','250 2.0.0 ok');
INSERT INTO "journal" VALUES(4,1795222860000000,'bounced','例題商店','06aeke7m00000001','06aeke7m00000006','','','550 5.7.1 受け取れません');
INSERT INTO "journal" VALUES(5,1795222860000000,'deferred','例題商店','06aeke7m00000001','06aeke7m00000007','','','451 4.3.0 後ほど');
INSERT INTO "journal" VALUES(6,1795222860000000,'accepted','見本書店','06aekg270000000b','','','','');
INSERT INTO "journal" VALUES(7,1795222860000000,'accepted','例題商店','06aekg270000000h','','','','');
INSERT INTO "journal" VALUES(8,1795222860000000,'accepted','例題商店','06aekg270000000m','','','','');
INSERT INTO "journal" VALUES(9,1795222860000000,'accepted','例題商店','06aekg270000000q','','','','');
INSERT INTO "journal" VALUES(10,1795222860000000,'accepted','例題商店','06aekg270000000e','','','','');
INSERT INTO "journal" VALUES(11,1795222860000000,'discarded','例題商店','06aekg270000000e','06aekg270000000g','','店長','');
INSERT INTO "journal" VALUES(12,1795222860000000,'quarantined','','','','06aekg270000000t','','pack.orders[0].qty: 数ではありません');
INSERT INTO "journal" VALUES(13,1795222860000000,'quarantined','','','','06aekg270000000v','','pack.orders[0].qty: 数ではありません');
INSERT INTO "journal" VALUES(14,1795222860000000,'quarantined','','','','06aekg270000000w','','pack.orders[0].qty: 数ではありません');
INSERT INTO "journal" VALUES(15,1795222860000000,'quarantined','','','','06aekg270000000x','','pack.orders[0].qty: 数ではありません');
INSERT INTO "journal" VALUES(16,1795222860000000,'accepted','例題商店','06aekg270000000y','','','','');
INSERT INTO "journal" VALUES(17,1795222860000000,'replayed','例題商店','06aekg270000000y','','06aekg270000000t','店長','');
INSERT INTO "journal" VALUES(18,1795222860000000,'discarded','','','','06aekg270000000v','店長','試験のメール');
CREATE TABLE mail (
	id VARCHAR(16) NOT NULL, 
	notification_id VARCHAR(16) NOT NULL, 
	registration TEXT NOT NULL, 
	partner TEXT NOT NULL, 
	template TEXT NOT NULL, 
	order_no TEXT NOT NULL, 
	message_id TEXT NOT NULL, 
	sender TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	octets INTEGER NOT NULL, 
	content BLOB NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(notification_id) REFERENCES notification (id)
);
INSERT INTO "mail" VALUES('06aeke7m00000002','06aeke7m00000001','登録1','cross_mall','cross_mall/order_info','','<06aeke7m00000001.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',84,X'5375626A6563743A203D3F49534F2D323032322D4A503F423F477952435132314B4F42736F51673D3D3F3D0D0A0D0A5B1B24423958467E3C544C3E1B28425D201B2442382B4B5C212132563B524D4D1B28420D0A');
INSERT INTO "mail" VALUES('06aeke7m00000003','06aeke7m00000001','登録2','cross_mall','cross_mall/order_info','','<06aeke7m00000001.2@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',84,X'5375626A6563743A203D3F49534F2D323032322D4A503F423F477952435132314B4F42736F51673D3D3F3D0D0A0D0A5B1B24423958467E3C544C3E1B28425D201B2442382B4B5C212132563B524D4D1B28420D0A');
INSERT INTO "mail" VALUES('06aeke7m00000004','06aeke7m00000001','登録3','cross_mall','cross_mall/order_info','','<06aeke7m00000001.3@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',84,X'5375626A6563743A203D3F49534F2D323032322D4A503F423F477952435132314B4F42736F51673D3D3F3D0D0A0D0A5B1B24423958467E3C544C3E1B28425D201B2442382B4B5C212132563B524D4D1B28420D0A');
INSERT INTO "mail" VALUES('06aekg270000000c','06aekg270000000b','登録1','next_engine','next_engine/order_info','','<06aekg270000000b.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
INSERT INTO "mail" VALUES('06aekg270000000j','06aekg270000000h','登録1','cross_mall','cross_mall/order_info','','<06aekg270000000h.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
INSERT INTO "mail" VALUES('06aekg270000000n','06aekg270000000m','登録1','cross_mall','cross_mall/order_info','','<06aekg270000000m.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
INSERT INTO "mail" VALUES('06aekg270000000r','06aekg270000000q','登録1','cross_mall','cross_mall/order_info','','<06aekg270000000q.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
INSERT INTO "mail" VALUES('06aekg270000000f','06aekg270000000e','登録1','cross_mall','cross_mall/order_info','','<06aekg270000000e.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
INSERT INTO "mail" VALUES('06aekg270000000z','06aekg270000000y','登録1','cross_mall','cross_mall/order_info','','<06aekg270000000y.1@relay.example.jp>','Qoo10 <qoo10info@shop.example.jp>','Qoo10の注文のお知らせです。(注文番号:300000001)',160,X'46726F6D3A20516F6F3130203C716F6F3130696E666F4073686F702E6578616D706C652E6A703E0D0A5375626A6563743A203D3F7574662D383F623F555739764D54446A6761376D73366A6D6C6F633D3F3D0D0A0D0A5BE6B3A8E69687E795AAE58FB75D203330303030303030310D0A5BE58299E880835D0D0AE78E84E996A2E58588E381ABE7BDAEE38184E381A6E3818FE381A0E38195E38184E380820D0A');
CREATE TABLE notification (
	id VARCHAR(16) NOT NULL, 
	event_id TEXT, 
	content_key TEXT NOT NULL, 
	seller_id TEXT NOT NULL, 
	type TEXT NOT NULL, 
	pack_no TEXT NOT NULL, 
	document TEXT NOT NULL, 
	accepted_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "notification" VALUES('06aeke7m00000001','出来事-1','key of 06aeke7m00000001','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222800000000);
INSERT INTO "notification" VALUES('06aekg270000000b',NULL,'key of 06aekg270000000b','見本書店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
INSERT INTO "notification" VALUES('06aekg270000000h',NULL,'key of 06aekg270000000h','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
INSERT INTO "notification" VALUES('06aekg270000000m',NULL,'key of 06aekg270000000m','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
INSERT INTO "notification" VALUES('06aekg270000000q',NULL,'key of 06aekg270000000q','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
INSERT INTO "notification" VALUES('06aekg270000000e',NULL,'key of 06aekg270000000e','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
INSERT INTO "notification" VALUES('06aekg270000000y',NULL,'key of 06aekg270000000y','例題商店','order_info','300000001','{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',1795222860000000);
CREATE TABLE quarantine (
	id VARCHAR(16) NOT NULL, 
	received_at BIGINT NOT NULL, 
	peer TEXT NOT NULL, 
	mail_from TEXT NOT NULL, 
	rcpt_to TEXT NOT NULL, 
	octets INTEGER NOT NULL, 
	content BLOB NOT NULL, 
	reason TEXT NOT NULL, 
	state TEXT NOT NULL, 
	notification_id TEXT NOT NULL, 
	registration TEXT NOT NULL, 
	settled_at BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "quarantine" VALUES('06aekg270000000t',1795222860000000,'192.0.2.1','notice@market.example.jp','orders@relay.example.jp',17,X'5375626A6563743A20780D0A0D0A7B80FF','pack.orders[0].qty: 数ではありません','replayed','06aekg270000000y','',1795222860000000);
INSERT INTO "quarantine" VALUES('06aekg270000000v',1795222860000000,'192.0.2.1','notice@market.example.jp','orders@relay.example.jp',17,X'5375626A6563743A20780D0A0D0A7B80FF','pack.orders[0].qty: 数ではありません','discarded','','',1795222860000000);
INSERT INTO "quarantine" VALUES('06aekg270000000w',1795222860000000,'192.0.2.1','notice@market.example.jp','orders@relay.example.jp',17,X'5375626A6563743A20780D0A0D0A7B80FF','pack.orders[0].qty: 数ではありません','kept','','',NULL);
INSERT INTO "quarantine" VALUES('06aekg270000000x',1795222860000000,'192.0.2.1','notice@market.example.jp','orders@relay.example.jp',17,X'5375626A6563743A20780D0A0D0A7B80FF','pack.orders[0].qty: 数ではありません','kept','06aeke7m00000001','登録9',NULL);
CREATE UNIQUE INDEX notification_content_key ON notification (content_key);
CREATE UNIQUE INDEX notification_event ON notification (seller_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX mail_notification ON mail (notification_id);
CREATE INDEX delivery_wake ON delivery (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX delivery_state ON delivery (state, id);
CREATE INDEX delivery_mail ON delivery (mail_id);
CREATE INDEX delivery_seller ON delivery (seller_id, id);
CREATE INDEX journal_at ON journal (at);
CREATE INDEX journal_notification ON journal (notification_id) WHERE notification_id != '';
CREATE INDEX journal_delivery ON journal (delivery_id) WHERE delivery_id != '';
CREATE INDEX journal_quarantine ON journal (quarantine_id) WHERE quarantine_id != '';
CREATE INDEX quarantine_state ON quarantine (state, id);
COMMIT;
